"""What must hold after each round: every run has ended, with the right video or for a true reason; nothing is open."""

from typing import Any

import requests

from frame_tools.contracts import paths
from tests.chaos.faults import Round
from tests.chaos.system import ChaosSystem, Run
from tests.support.system import digest

ENDED = {"finished", "failed", "refused", "cancelled"}


def status_of(system: ChaosSystem, run: Run) -> dict[str, Any]:
    """Return the status document of a run; its `status` is "unknown" if the app does not know the run."""
    response = requests.get(f"{system.running.cloud.api}/runs/{run.run_id}", timeout=60)
    if response.status_code == 404:
        return {"status": "unknown"}
    if response.status_code != 200:
        return {"status": f"HTTP {response.status_code}", "reason": response.text[:300]}
    answer: dict[str, Any] = response.json()
    return answer


def has_ended(run: Run, status: dict[str, Any]) -> bool:
    """Return whether a run is over; one that the app does not know is, if a fault removed its beginning."""
    return status["status"] in ENDED or (status["status"] == "unknown" and run.may_be_unknown)


def problem_with_end(system: ChaosSystem, run: Run, status: dict[str, Any]) -> str | None:
    """Return what is wrong with the end of a run, or None."""
    match status["status"]:
        case "finished":
            video = system.direct.output.read(str(status["video"]).removeprefix("output/"))
            if video is None:
                return "finished without a video"
            is_expected = run.may_differ or digest(video.data) == system.expected
            return None if is_expected else "finished with another video"
        case "cancelled":
            return None if run.may_be_cancelled else "cancelled by nobody"
        case "failed" | "refused":
            return _problem_with_reason(run, status)
        case "unknown" if run.may_be_unknown:
            return None
    return "has not ended"


def _problem_with_reason(run: Run, status: dict[str, Any]) -> str | None:
    reason = f"{status.get('reason', '')} {status.get('remedy', '')}".lower()
    if any(text.lower() in reason for excuse in run.excuses for text in excuse.evidence):
        return None
    return "failed for a reason that was not injected"


def open_things(round_: Round) -> list[str]:
    """Return what a round has left open: marks, slots, Batch jobs and messages."""
    system, ids = round_.system, {run.run_id for run in round_.runs}
    things = [blob.name for blob in system.direct.runs.list("open/")]
    things += [blob.name for blob in system.direct.runs.list("slots/")]
    things += [f"job {job}" for job in active_jobs(system) if any(job.startswith(run_id) for run_id in ids)]
    for name in (paths.FRAME_BATCHES, paths.FINISHED_BATCHES):
        count = system.queue(name).get_queue_properties().approximate_message_count
        things += [f"{count} messages in {name}"] if count else []
    return things


def active_jobs(system: ChaosSystem) -> list[str]:
    """Return the ids of the Batch jobs that are not completed."""
    response = requests.get(
        f"http://127.0.0.1:{system.running.cloud.ports.batch}/jobs",
        params={"api-version": "2025-06-01"},
        headers={"Authorization": "SharedKey chaos:none"},
        timeout=30,
    )
    return [job["id"] for job in response.json()["value"] if job["state"] != "completed"]
