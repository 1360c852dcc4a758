"""The handler of the queue `finished-batches`: receipts count, messages do not."""

import random

import pytest

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.finish_batch import finish_batch
from tests.support.fake_node import fail, score
from tests.support.world import World, drain, message


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


def test_messages_without_receipts_have_no_effect(world: World, run_id: str) -> None:
    for batch in (0, 1, 2, 2, 1, 0):
        finish_batch(world.app, message(run_id, batch))
    assert world.status(run_id) == "scoring"
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


@pytest.mark.parametrize("seed", range(3))
def test_duplicate_messages_finish_run_once(world: World, run_id: str, seed: int) -> None:
    world.score(run_id, message=False)
    texts = [message(run_id, batch) for batch in (0, 1, 2)] * 3
    random.Random(seed).shuffle(texts)
    for text in texts:
        finish_batch(world.app, text)
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6


def test_one_message_per_batch_finishes_run(world: World, run_id: str) -> None:
    for batch in (2, 0, 1):
        world.score(run_id, batch)
        world.deliver_messages()
    assert world.status(run_id) == "finished"


def test_lost_completion_log_does_not_stop_run(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    finish_batch(world.app, message(run_id, 0))
    world.storage.runs.delete(RunPaths(run_id).completion_log)
    for batch in (0, 1, 2):
        finish_batch(world.app, message(run_id, batch))
    assert world.status(run_id) == "finished"


def test_full_completion_log_advances_on_every_message(world: World, run_id: str) -> None:
    """Storage rejects the 50,001st append with 409; it rejects an append to a block blob in the same way."""
    world.score(run_id, message=False)
    world.storage.runs.write(RunPaths(run_id).completion_log, b"")
    finish_batch(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_failed_batch_does_not_stop_other_batches(world: World, run_id: str) -> None:
    fail(world.storage, run_id, 1)
    world.deliver_messages()
    assert world.status(run_id) == "scoring", "the other batches continue"
    world.score(run_id, 0, 2)
    world.deliver_messages()
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert (outcome.code, outcome.next_step) == (ErrorCode.INVALID_INPUT, NextStep.RESUBMIT)
    assert "Batch 1" in outcome.reason
    assert "000002.jpg" in outcome.reason
    assert world.status_document(run_id)["batches"] == {"planned": 3, "done": 2, "failed": ["00001"]}
    assert world.is_released(run_id)


def test_message_of_unknown_run_is_dropped(world: World) -> None:
    for step in (0, "advance", "join"):
        finish_batch(world.app, message("never-was-0123456789", step))
    assert drain(world.storage.finished_batches) == []


def test_receipts_of_another_run_do_not_count(world: World, run_id: str) -> None:
    world.score(run_id)
    world.deliver_messages()
    again = world.start("clip")
    world.deliver_messages()
    score(world.storage, again, 0)
    world.deliver_messages()
    assert world.status_document(again)["batches"]["done"] == 1
    assert world.status(again) == "scoring"
