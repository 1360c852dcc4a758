"""What failed five times: its run or step ends with a reason at once; what is not ours is kept."""

import json

import pytest

from frame_tools.contracts import ids, paths
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


def test_a_batch_that_could_not_be_placed_fails_with_a_reason(world: World) -> None:
    run_id = world.start("clip", 2)
    batch_poisoned(world.app, message(run_id, 0))
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert "Batch 0 failed: no Batch task could be made" in outcome.reason
    assert world.is_let_go(run_id)
    submit_batch(world.app, message(run_id, 0))
    assert world.tasks(run_id) == {}


def test_the_others_go_on_when_one_could_not_be_placed(world: World) -> None:
    run_id = world.start("clip", 4)
    world.pump()
    batch_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "scoring"
    assert world.described(run_id)["batches"]["failed"] == ["00000"]


def test_a_split_that_could_not_be_placed_fails_the_run(world: World) -> None:
    run_id = world.fire(world.put_film())
    batch_poisoned(world.app, message(run_id, "split"))
    assert world.status(run_id) == "failed"


def test_a_batch_that_has_a_receipt_by_now_does_not_fail(world: World) -> None:
    run_id = world.start("clip", 2)
    world.pump()
    world.paint(run_id, message=False)
    batch_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_a_run_that_could_not_be_completed_fails_under_its_own_name(world: World) -> None:
    run_id = world.start("My clip", 2)
    world.pump()
    finish_poisoned(world.app, message(run_id, 0))
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.name) == ("failed", "My clip")
    assert "finish_batch" in outcome.remedy
    assert world.is_let_go(run_id)
    resubmit(world.app, run_id, "missing")
    assert world.finish(run_id) == "finished"


def test_a_video_that_is_there_is_not_called_failed(world: World) -> None:
    """Only what comes behind the commit failed five times."""
    run_id = world.start("clip", 2)
    world.finish(run_id)
    world.storage.runs.delete(RunPaths(run_id).outcome)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    finish_poisoned(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_a_finished_run_stays_finished(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    for poisoned in (finish_poisoned, batch_poisoned):
        poisoned(world.app, message(run_id, 0))
    assert (world.status(run_id), world.is_let_go(run_id)) == ("finished", True)


def test_a_trigger_that_could_not_be_started_is_a_failed_run(world: World) -> None:
    blob = world.put_trigger("clip")
    stored = world.storage.triggers.need(blob)
    run_id = ids.run_id_for(blob, stored.etag)
    trigger_poisoned(world.app, host_message(blob, stored.etag))
    assert (world.status(run_id), world.outcome(run_id).name) == ("failed", "clip")
    assert "put the trigger file again" in world.outcome(run_id).remedy
    assert world.is_let_go(run_id)


def test_a_trigger_that_was_put_again_since_is_another_run(world: World) -> None:
    blob = world.put_trigger("clip")
    old = world.storage.triggers.need(blob).etag
    run_id = world.start("clip", 2)
    trigger_poisoned(world.app, host_message(blob, old))
    assert world.status(run_id) == "scoring", "the mended run goes on"
    assert world.status(ids.run_id_for(blob, old)) == "failed"


def test_a_run_that_ended_stays_as_it_ended(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    trigger_poisoned(world.app, host_message("clip.json", world.storage.triggers.need("clip.json").etag))
    assert world.status(run_id) == "finished"


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "{}", host_message("gone.json", '"0x1"'), host_message("clip.json", '"0x1"', "other")],
)
def test_what_names_no_trigger_is_kept(world: World, text: str) -> None:
    world.put_trigger("clip")
    trigger_poisoned(world.app, text)
    (kept,) = world.storage.logs.list(f"dead-letter/{paths.BLOB_TRIGGER_POISON}/")
    assert world.storage.logs.need(kept.name).data == text.encode()
    assert list(world.storage.runs.list("")) == []


@pytest.mark.parametrize("handler", [batch_poisoned, finish_poisoned])
def test_what_is_not_ours_is_kept(world: World, handler) -> None:
    handler(world.app, "hello")
    (kept,) = world.storage.logs.list("dead-letter/")
    assert kept.name.split("/")[1].endswith("-poison")


@pytest.mark.parametrize("handler", [batch_poisoned, finish_poisoned])
def test_a_run_that_never_was_is_not_made(world: World, handler) -> None:
    handler(world.app, message("never-was-0123456789", 0))
    assert list(world.storage.runs.list("")) == []
