"""The poison queues: the reason is recorded and the sweep decides; invalid messages are stored."""

import json
from collections.abc import Callable

import pytest
from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.delays import read_delay
from orchestration.handlers.poison import batch_poisoned, finish_poisoned, trigger_poisoned
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from tests.support.world import World, drain, message


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


def test_poisoned_step_is_recorded_and_submitted_by_the_sweep(world: World) -> None:
    run_id = world.start("clip", 2)
    drain(world.storage.frame_batches)
    batch_poisoned(world.app, message(run_id, 0))
    delay = read_delay(world.storage, run_id)
    assert delay is not None
    assert (delay.code, "00000" in delay.reason) == (ErrorCode.TASK_NOT_CREATED, True)
    assert delay.reason in world.status_document(run_id)["trouble"][0]
    assert world.status(run_id) == "scoring"
    world.clock.advance(minutes=5)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["b00000"]
    assert world.status_document(run_id)["trouble"] == []
    assert world.finish(run_id) == "finished"


def test_poisoned_split_is_submitted_by_the_sweep(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    drain(world.storage.frame_batches)
    batch_poisoned(world.app, message(run_id, "split"))
    world.clock.advance(minutes=5)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["split"]


def test_poisoned_finish_is_recorded_and_repeated_by_the_sweep(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)
    finish_poisoned(world.app, message(run_id, 0))
    delay = read_delay(world.storage, run_id)
    assert delay is not None
    assert delay.code is ErrorCode.RUN_NOT_COMPLETED
    assert not world.storage.runs.exists(RunPaths(run_id).outcome)
    sweep(world.app)
    assert world.status(run_id) == "finished"
    assert world.is_released(run_id)


def test_record_names_the_error_of_the_attempts(world: World) -> None:
    def create(_original: object, _name: str, _data: bytes) -> bool:
        raise HttpResponseError("throttled")

    run_id = world.start("clip", 2)
    with pytest.raises(HttpResponseError):
        submit_batch(world.intercepted("runs", create=create).app, message(run_id, 0))
    (problem,) = world.status_document(run_id)["trouble"]
    assert "Azure Storage" in problem
    batch_poisoned(world.app, message(run_id, 0))
    (problem,) = world.status_document(run_id)["trouble"]
    assert "Azure Storage" in problem
    assert "00000" in problem


def test_poison_keeps_finished_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    for poisoned in (finish_poisoned, batch_poisoned):
        poisoned(world.app, message(run_id, 0))
    assert (world.status(run_id), world.is_released(run_id)) == ("finished", True)


def test_poisoned_trigger_starts_its_run(world: World) -> None:
    world.upload_frames("clip", 2)
    blob = world.upload_trigger("clip")
    stored = world.storage.triggers.need(blob)
    trigger_poisoned(world.app, host_message(blob, stored.etag))
    assert world.finish(ids.run_id_for(blob, stored.etag)) == "finished"


def failing_start(world: World, error: Exception) -> World:
    """Return the world in which no run can be opened."""

    def create(original: Callable[[str, bytes], bool], name: str, data: bytes) -> bool:
        if name.startswith("open/"):
            raise error
        return original(name, data)

    return world.intercepted("runs", create=create)


def test_trigger_stays_poisoned_while_a_service_is_away(world: World) -> None:
    blob = world.upload_trigger("clip")
    etag = world.storage.triggers.need(blob).etag
    with pytest.raises(HttpResponseError):
        trigger_poisoned(failing_start(world, HttpResponseError("busy")).app, host_message(blob, etag))
    assert list(world.storage.runs.list("")) == []


def test_trigger_that_cannot_be_started_is_recorded_as_failed(world: World) -> None:
    blob = world.upload_trigger("clip")
    etag = world.storage.triggers.need(blob).etag
    run_id = ids.run_id_for(blob, etag)
    trigger_poisoned(failing_start(world, ValueError("secret")).app, host_message(blob, etag))
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.name) == ("failed", "clip")
    assert (outcome.code, outcome.next_step) == (ErrorCode.RUN_NOT_STARTED, NextStep.START_NEW_RUN)
    assert "secret" not in outcome.reason
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
    [
        "",
        "not JSON",
        "[" * 100_000,
        "[]",
        "{}",
        host_message("x" * 5000, '"0x1"'),
        host_message("gone.json", '"0x1"'),
        host_message("clip.json", '"0x1"', "other"),
    ],
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
