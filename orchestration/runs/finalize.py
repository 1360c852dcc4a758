"""How a run ends: the outcome is written once, the report is written for people, then everything is let go."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from frame_tools.telemetry.logs import fields, with_run_context
from frame_tools.telemetry.metrics import FRAME_SECONDS, RUN_COST
from orchestration.app import App, now
from orchestration.reporting.report import as_json, report_of
from orchestration.runs.admission import admit_next, release_slots

log = logging.getLogger(__name__)

Status = Literal["finished", "failed", "refused", "cancelled"]


@with_run_context
def end(
    app: App,
    run_id: str,
    *,
    name: str,
    status: Status,
    reason: str,
    remedy: str = "",
    code: ErrorCode | None = None,
    next_step: NextStep | None = None,
    video: str | None = None,
    records: str | None = None,
    still: Callable[[], bool] = lambda: True,
) -> None:
    """Write how the run ended (the first ending stays) and clean up.

    `still` is asked before and after the ending is written: a handler may have decided on it long ago, and a person's
    resubmission has removed the reason since. Then nothing is written, or it is taken back.
    """
    if not still():
        return
    outcome = Outcome(
        run_id=run_id,
        status=status,
        reason=reason,
        remedy=remedy,
        code=code,
        next_step=next_step,
        name=name,
        ended_at=now().isoformat(),
        video=video,
        records=records,
    )
    if app.storage.runs.create(RunPaths(run_id).outcome, outcome.dumps()):
        if not still():
            _take_back(app, outcome)
            return
        _log_ending(outcome)
        _measure(app, clean_up(app, run_id))
    else:
        clean_up(app, run_id)


def _log_ending(outcome: Outcome) -> None:
    """Log how the run ended. The failure alert selects the field `event`, "run_failed"."""
    log.log(
        logging.ERROR if outcome.status == "failed" else logging.INFO,
        "run %s %s: %s",
        outcome.run_id,
        outcome.status,
        outcome.reason,
        extra=fields(event=f"run_{outcome.status}", code=outcome.code, next_step=outcome.next_step),
    )


def _take_back(app: App, outcome: Outcome) -> None:
    """Remove this very ending; if somebody has cleaned up after it, `advance` marks the run open again."""
    blob = app.storage.runs.read(RunPaths(outcome.run_id).outcome)
    if blob is not None and blob.data == outcome.dumps():
        app.storage.runs.delete(RunPaths(outcome.run_id).outcome, etag=blob.etag)


def _measure(app: App, report: Mapping[str, Any]) -> None:
    """Tell what the run's frames took and what it cost."""
    scoring = report.get("scoring", {})
    if frames := scoring.get("frames", 0):
        app.metrics.record(FRAME_SECONDS, (scoring["task_seconds"] - scoring["start_up_seconds"]) / frames)
    if (usd := report.get("cost", {}).get("usd")) is not None:
        app.metrics.record(RUN_COST, usd["total"], status=report["status"])


def end_jobs(app: App, run_id: str, reason: str) -> None:
    """End all Batch jobs that were claimed for the run."""
    for claim in app.storage.runs.list(RunPaths(run_id).jobs):
        number = int(claim.name.rsplit("/", 1)[1])
        app.batch.terminate_job(ids.job_id(run_id, number), reason)


def clean_up(app: App, run_id: str) -> Mapping[str, Any]:
    """Write the report, end the run's Batch jobs, give back its slot, close it, and let the next run in.

    Returns the report.
    Each part may have been done before. Until the open mark is gone, the sweep comes back; should the run's ending be
    taken back just then and this process die, the sweep's look at all runs finds it.
    """
    blob = app.storage.runs.read(RunPaths(run_id).outcome)
    if blob is None:  # a resubmission has taken the ending back
        return {}
    outcome = Outcome.load_stored(blob.data)
    report = report_of(app.storage, outcome, app.settings.price_table)
    app.storage.output.write(RunPaths(run_id).report, as_json(report))
    end_jobs(app, run_id, f"run {outcome.status}")
    release_slots(app, run_id)
    app.storage.runs.delete(RunPaths(run_id).open_mark)
    now_there = app.storage.runs.read(RunPaths(run_id).outcome)
    if now_there is None:  # taken back meanwhile: the sweep must see the run
        app.storage.runs.create(RunPaths(run_id).open_mark, b"")
    elif now_there.etag != blob.etag:  # and ended anew: the report must say how
        return clean_up(app, run_id)
    admit_next(app)
    return report
