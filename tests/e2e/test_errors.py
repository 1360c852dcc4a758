"""Invalid input in the running system: a clear status, no hanging run, and a way to continue."""

from pathlib import Path

import requests

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from local_cloud.accounts import DATA_KEY, OPS_KEY
from tests.support.fake_node import read_plan
from tests.support.system import TIMEOUT_SECONDS, RunningSystem, digest, upload_split
from tests.support.waiting import until


def test_invalid_trigger_is_refused(system: RunningSystem) -> None:
    system.user_storage.triggers.write("invalid.json", b"not JSON")
    run_id = ids.run_id_for("invalid.json", system.user_storage.triggers.need("invalid.json").etag)
    status = system.wait(run_id)
    assert status["status"] == "refused"
    assert "not JSON" in status["reason"]
    watched = system.command("watch", run_id)
    assert watched.returncode == 65
    assert "not JSON" in watched.stderr
    assert "Traceback" not in watched.stderr


def test_corrupt_frame_fails_its_batch_only(system: RunningSystem, split_clip: Path) -> None:
    upload_split(system, split_clip, "whole")
    whole = digest(system.video(system.wait(system.start("whole", scorer="copy", frames_per_batch=6))))
    upload_split(system, split_clip, "torn")
    good = system.user_storage.input.need("torn/frames/000020.jpg").data
    system.user_storage.input.write("torn/frames/000020.jpg", good[: len(good) // 2])
    run_id = system.start("torn", scorer="copy", frames_per_batch=6)
    failed = system.wait(run_id)
    assert failed["status"] == "failed"
    assert "000020.jpg" in failed["reason"]
    assert failed["batches"] == {"planned": 6, "done": 5, "failed": ["00003"]}
    system.user_storage.input.write("torn/frames/000020.jpg", good)
    answer = requests.post(f"{system.cloud.api}/runs/{run_id}/resubmit", data="missing", timeout=30)
    assert answer.status_code == 202
    assert answer.json() == {"run_id": run_id}
    assert digest(system.video(system.wait(run_id))) == whole


def test_invalid_video_fails_the_split(system: RunningSystem) -> None:
    system.user_storage.input.write("novideo/clip.mp4", b"not a video at all" * 100)
    status = system.wait(system.start("novideo", scorer="copy", video="clip.mp4"))
    assert status["status"] == "failed"
    assert "Traceback" not in status["reason"]
    assert status["remedy"]


def test_invalid_messages_are_stored(system: RunningSystem, split_clip: Path) -> None:
    from azure.storage.queue import QueueClient, TextBase64EncodePolicy

    for queue in ("frame-batches", "finished-batches"):
        client = QueueClient.from_connection_string(
            system.cloud.settings["OPS"], queue, message_encode_policy=TextBase64EncodePolicy()
        )
        client.send_message('{"hello": "world"}')
        client.send_message("{'v': 1}")
        QueueClient.from_connection_string(system.cloud.settings["OPS"], queue).send_message("plain, not base64!")
    upload_split(system, split_clip, "afterwards")
    system.video(system.wait(system.start("afterwards", scorer="copy")))
    for queue in ("frame-batches", "finished-batches"):
        assert len(list(system.storage.logs.list(f"dead-letter/{queue}/"))) == 3


def test_cancel_ends_run_and_tasks(system: RunningSystem, split_clip: Path) -> None:
    upload_split(system, split_clip, "unwanted")
    with system.held_tasks(after=1):
        run_id = system.start("unwanted", scorer="copy", frames_per_batch=1)
        for status in iter(lambda: system.api.status(run_id), "never"):
            if status is not None and status["batches"]["planned"]:
                break
        answer = requests.post(f"{system.cloud.api}/runs/{run_id}/cancel", timeout=30)
        assert answer.status_code == 200
        assert system.wait(run_id)["status"] == "cancelled"
        assert not system.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_cancelled_run_resumes_after_rejected_task(system: RunningSystem, split_clip: Path) -> None:
    upload_split(system, split_clip, "undecided")
    options = {"scorer": "copy", "input": "undecided", "frames_per_batch": 3}
    undisturbed = digest(system.video(system.wait(system.start("decided", **options))))
    with system.held_tasks(after=1):
        run_id = system.start("undecided", **options)
        receipts = RunPaths(run_id).receipts
        until(lambda: any(system.storage.runs.list(receipts)), "a receipt", seconds=TIMEOUT_SECONDS)
        assert system.post(f"runs/{run_id}/cancel").json()["status"] == "cancelled"
        done = {item.name for item in system.storage.runs.list(receipts)}
    missing = [batch for batch in range(12) if RunPaths(run_id).receipt(batch) not in done]
    task = read_plan(system.storage, run_id).task_of(missing[-1])
    system.inject_fault(kind="partial_failure", task_id=ids.task_id(task, 1), code="ServerBusy")
    assert system.post(f"runs/{run_id}/resubmit").status_code == 503
    assert system.post(f"runs/{run_id}/resubmit").status_code == 202
    assert digest(system.video(system.wait(run_id))) == undisturbed
    assert system.pending_faults() == []


def test_rerun_of_one_batch_reuses_segments(system: RunningSystem, split_clip: Path) -> None:
    upload_split(system, split_clip, "again")
    first = system.start("again", scorer="copy", frames_per_batch=12)
    video = digest(system.video(system.wait(first)))
    second = requests.post(f"{system.cloud.api}/runs/{first}/resubmit", data="[1]", timeout=30).json()["run_id"]
    assert second != first
    status = system.wait(second)
    assert digest(system.video(status)) == video
    assert status["parent"] == first
    assert [i.name for i in system.storage.work.list(f"{second}/segments/")] == [RunPaths(second).segment(1)]


def test_no_log_or_document_contains_a_key(system: RunningSystem, split_clip: Path) -> None:
    """Includes what the tests before this one have written: refusals, failures and stack traces."""
    upload_split(system, split_clip, "discreet")
    run_id = system.start("discreet", scorer="copy", frames_per_batch=18)
    system.wait(run_id)
    written = {service.name: service.output() for service in system.cloud.services.values()}
    for container in (system.storage.logs, system.storage.runs, system.storage.output):
        for item in container.list(""):
            if not item.name.endswith(".mp4"):
                written[f"{container.name}/{item.name}"] = container.need(item.name).data.decode("utf-8", "replace")
    assert any(name.startswith(f"logs/{run_id}/") for name in written)
    for name, text in written.items():
        for secret in (DATA_KEY, OPS_KEY, "AccountKey=", "SharedKey "):
            assert secret not in text, f"{name} contains {secret[:12]}…"
