"""Bad input through the whole chain: a clear word in the status, never a run that hangs, and a way to go on."""

from pathlib import Path

import requests

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from local_cloud.accounts import DATA_KEY, OPS_KEY
from tests.support.system import PATIENCE, Chain, fingerprint, upload_split
from tests.support.waiting import until


def test_a_trigger_that_is_no_json_is_refused_in_words(chain: Chain) -> None:
    chain.outside.triggers.write("scribble.json", b"make it pretty")
    run_id = ids.run_id_for("scribble.json", chain.outside.triggers.need("scribble.json").etag)
    status = chain.wait(run_id)
    assert status["status"] == "refused"
    assert "not JSON" in status["reason"]
    watched = chain.command("watch", run_id)
    assert watched.returncode == 65
    assert "not JSON" in watched.stderr
    assert "Traceback" not in watched.stderr


def test_a_corrupt_frame_fails_its_batch_only_and_can_be_mended(chain: Chain, split_clip: Path) -> None:
    upload_split(chain, split_clip, "whole")
    whole = fingerprint(chain.video(chain.wait(chain.start("whole", scorer="copy", frames_per_batch=6))))
    upload_split(chain, split_clip, "torn")
    good = chain.outside.input.need("torn/frames/000020.jpg").data
    chain.outside.input.write("torn/frames/000020.jpg", good[: len(good) // 2])
    run_id = chain.start("torn", scorer="copy", frames_per_batch=6)
    failed = chain.wait(run_id)
    assert failed["status"] == "failed"
    assert "000020.jpg" in failed["reason"]
    assert failed["batches"] == {"planned": 6, "done": 5, "failed": ["00003"]}
    chain.outside.input.write("torn/frames/000020.jpg", good)
    answer = requests.post(f"{chain.cloud.api}/runs/{run_id}/resubmit", data="missing", timeout=30)
    assert answer.status_code == 202
    assert answer.json() == {"run_id": run_id}
    assert fingerprint(chain.video(chain.wait(run_id))) == whole


def test_a_video_that_is_none_is_refused_by_the_split_task(chain: Chain) -> None:
    chain.outside.input.write("novideo/clip.mp4", b"not a video at all" * 100)
    status = chain.wait(chain.start("novideo", scorer="copy", video="clip.mp4"))
    assert status["status"] == "failed"
    assert "Traceback" not in status["reason"]
    assert status["remedy"]


def test_messages_that_are_not_ours_are_kept(chain: Chain, split_clip: Path) -> None:
    from azure.storage.queue import QueueClient, TextBase64EncodePolicy

    for queue in ("frame-batches", "finished-batches"):
        client = QueueClient.from_connection_string(
            chain.cloud.settings["OPS"], queue, message_encode_policy=TextBase64EncodePolicy()
        )
        client.send_message('{"hello": "world"}')
        client.send_message("{'v': 1}")
    upload_split(chain, split_clip, "afterwards")
    chain.video(chain.wait(chain.start("afterwards", scorer="copy")))
    for queue in ("frame-batches", "finished-batches"):
        assert len(list(chain.storage.logs.list(f"dead-letter/{queue}/"))) == 2


def test_cancel_ends_a_run_and_its_tasks(chain: Chain, split_clip: Path) -> None:
    upload_split(chain, split_clip, "unwanted")
    run_id = chain.start("unwanted", scorer="copy", frames_per_batch=1)
    for status in iter(lambda: chain.api.status(run_id), "never"):
        if status is not None and status["batches"]["planned"]:
            break
    answer = requests.post(f"{chain.cloud.api}/runs/{run_id}/cancel", timeout=30)
    assert answer.status_code == 200
    assert chain.wait(run_id)["status"] == "cancelled"
    assert not chain.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_a_cancelled_run_goes_on_though_batch_refuses_a_task_of_the_collection(chain: Chain, split_clip: Path) -> None:
    upload_split(chain, split_clip, "undecided")
    words = {"scorer": "copy", "input": "undecided", "frames_per_batch": 3}
    undisturbed = fingerprint(chain.video(chain.wait(chain.start("decided", **words))))
    run_id = chain.start("undecided", **words)
    until(lambda: any(chain.storage.runs.list(RunPaths(run_id).receipts)), "a receipt", seconds=PATIENCE)
    assert chain.post(f"runs/{run_id}/cancel").json()["status"] == "cancelled"
    done = {item.name for item in chain.storage.runs.list(RunPaths(run_id).receipts)}
    missing = [batch for batch in range(12) if RunPaths(run_id).receipt(batch) not in done]
    chain.fault(kind="partial_failure", task_id=ids.task_id(missing[-1], 1), code="ServerBusy")
    assert chain.post(f"runs/{run_id}/resubmit").status_code == 503
    assert chain.post(f"runs/{run_id}/resubmit").status_code == 202
    assert fingerprint(chain.video(chain.wait(run_id))) == undisturbed
    assert chain.faults() == []


def test_redoing_named_batches_makes_a_new_run_with_the_old_segments(chain: Chain, split_clip: Path) -> None:
    upload_split(chain, split_clip, "again")
    first = chain.start("again", scorer="copy", frames_per_batch=12)
    video = fingerprint(chain.video(chain.wait(first)))
    second = requests.post(f"{chain.cloud.api}/runs/{first}/resubmit", data="[1]", timeout=30).json()["run_id"]
    assert second != first
    status = chain.wait(second)
    assert fingerprint(chain.video(status)) == video
    assert status["parent"] == first
    assert [i.name for i in chain.storage.work.list(f"{second}/segments/")] == [RunPaths(second).segment(1)]


def test_no_log_message_or_document_holds_a_key(chain: Chain, split_clip: Path) -> None:
    """What the tests before this one left behind counts, too: refusals, failures and traces were among it."""
    upload_split(chain, split_clip, "discreet")
    run_id = chain.start("discreet", scorer="copy", frames_per_batch=18)
    chain.wait(run_id)
    written = {service.name: service.output() for service in chain.cloud.services.values()}
    for container in (chain.storage.logs, chain.storage.runs, chain.storage.output):
        for item in container.list(""):
            if not item.name.endswith(".mp4"):
                written[f"{container.name}/{item.name}"] = container.need(item.name).data.decode("utf-8", "replace")
    assert any(name.startswith(f"logs/{run_id}/") for name in written)
    for name, text in written.items():
        for secret in (DATA_KEY, OPS_KEY, "AccountKey=", "SharedKey "):
            assert secret not in text, f"{name} holds {secret[:12]}…"
