"""The poison queues: the run or step fails with a reason at once; invalid messages are stored."""

import json

import pytest

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.poison import batch_poisoned, finish_poisoned, trigger_poisoned
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from tests.support.world import World, message


def host_message(blob: str, etag: str, container: str = paths.TRIGGERS) -> str:
    return json.dumps(
        {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.start_run",
            "BlobType": "BlockBlob",
            "ContainerName": container,
            "BlobName": blob,
            "ETag": etag,
        }
    )


def test_batch_poisoned_fails_batch(world: World) -> None:
    run_id = world.start("clip", 2)
    batch_poisoned(world.app, message(run_id, 0))
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert (outcome.code, "Batch 0" in outcome.reason) == (ErrorCode.TASK_NOT_CREATED, True)
    assert world.is_released(run_id)
    submit_batch(world.app, message(run_id, 0))
    assert world.tasks(run_id) == {}


def test_batch_poisoned_keeps_other_batches(world: World) -> None:
    run_id = world.start("clip", 4)
    world.deliver_messages()
    batch_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "scoring"
    assert world.status_document(run_id)["batches"]["failed"] == ["00000"]


def test_batch_poisoned_split_fails_run(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    batch_poisoned(world.app, message(run_id, "split"))
    assert world.status(run_id) == "failed"


def test_batch_poisoned_ignores_finished_batch(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)
    batch_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_finish_poisoned_fails_run(world: World) -> None:
    run_id = world.start("My clip", 2)
    world.deliver_messages()
    finish_poisoned(world.app, message(run_id, 0))
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.name) == ("failed", "My clip")
    assert (outcome.code, "finish_batch" in outcome.remedy) == (ErrorCode.RUN_NOT_COMPLETED, True)
    assert world.is_released(run_id)
    resubmit(world.app, run_id, "missing")
    assert world.finish(run_id) == "finished"


def test_finish_poisoned_finishes_committed_run(world: World) -> None:
    """Only the bookkeeping after the commit failed five times."""
    run_id = world.start("clip", 2)
    world.finish(run_id)
    world.storage.runs.delete(RunPaths(run_id).outcome)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    finish_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_poison_keeps_finished_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    for poisoned in (finish_poisoned, batch_poisoned):
        poisoned(world.app, message(run_id, 0))
    assert (world.status(run_id), world.is_released(run_id)) == ("finished", True)


def test_trigger_poisoned_records_failed_run(world: World) -> None:
    blob = world.upload_trigger("clip")
    stored = world.storage.triggers.need(blob)
    run_id = ids.run_id_for(blob, stored.etag)
    trigger_poisoned(world.app, host_message(blob, stored.etag))
    assert (world.status(run_id), world.outcome(run_id).name) == ("failed", "clip")
    assert (world.outcome(run_id).code, world.outcome(run_id).next_step) == (
        ErrorCode.RUN_NOT_STARTED,
        NextStep.START_NEW_RUN,
    )
    assert world.is_released(run_id)


def test_trigger_poisoned_ignores_newer_upload(world: World) -> None:
    blob = world.upload_trigger("clip")
    old = world.storage.triggers.need(blob).etag
    run_id = world.start("clip", 2)
    trigger_poisoned(world.app, host_message(blob, old))
    assert world.status(run_id) == "scoring", "the corrected run continues"
    assert world.status(ids.run_id_for(blob, old)) == "failed"


def test_trigger_poisoned_keeps_outcome(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    trigger_poisoned(world.app, host_message("clip.json", world.storage.triggers.need("clip.json").etag))
    assert world.status(run_id) == "finished"


@pytest.mark.parametrize(
    "text",
    ["", "not JSON", "[]", "{}", host_message("gone.json", '"0x1"'), host_message("clip.json", '"0x1"', "other")],
)
def test_trigger_poisoned_stores_invalid_message(world: World, text: str) -> None:
    world.upload_trigger("clip")
    trigger_poisoned(world.app, text)
    (kept,) = world.storage.logs.list(f"dead-letter/{paths.BLOB_TRIGGER_POISON}/")
    assert world.storage.logs.need(kept.name).data == text.encode()
    assert list(world.storage.runs.list("")) == []


@pytest.mark.parametrize("handler", [batch_poisoned, finish_poisoned])
def test_poison_stores_invalid_message(world: World, handler) -> None:
    handler(world.app, "hello")
    (kept,) = world.storage.logs.list("dead-letter/")
    assert kept.name.split("/")[1].endswith("-poison")


@pytest.mark.parametrize("handler", [batch_poisoned, finish_poisoned])
def test_poison_ignores_unknown_run(world: World, handler) -> None:
    handler(world.app, message("never-was-0123456789", 0))
    assert list(world.storage.runs.list("")) == []
