"""The handler of the queue `frame-batches`."""

import pytest

from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from tests.support.fake_node import fail
from tests.support.world import World, drain, in_parallel, message


@pytest.mark.parametrize("step", [0, 1, 2])
def test_duplicate_messages_create_one_task(world: World, step: int) -> None:
    run_id = world.start("clip")
    in_parallel([lambda: submit_batch(world.app, message(run_id, step))] * 4)
    submit_batch(world.app, message(run_id, step))
    assert list(world.tasks(run_id)) == [f"b{step:05d}"]


def test_unknown_batch_is_stored_without_a_task(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 4711))
    assert world.tasks(run_id) == {}
    assert len(list(world.storage.logs.list("dead-letter/frame-batches/"))) == 1


def test_message_after_the_end_creates_no_task(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    tasks = world.tasks(run_id)
    submit_batch(world.app, message(run_id, 0))
    assert world.tasks(run_id) == tasks
    submit_batch(world.app, message("never-was-0123456789", 0))
    assert world.app.batch.tasks("never-was-0123456789-j0") == []


def test_message_of_failed_batch_creates_no_task(world: World) -> None:
    run_id = world.start("clip", 4)
    drain(world.storage.frame_batches)
    fail(world.storage, run_id, 1)
    submit_batch(world.app, message(run_id, 1))
    assert world.tasks(run_id) == {}


def test_waiting_run_gets_no_job_from_an_old_message(world: World) -> None:
    """Only admitted runs have jobs, so MAX_OPEN_RUNS bounds their number."""
    single = world.changed(max_open_runs=1)
    run_id = single.start("clip", 2)
    (text,) = drain(single.storage.frame_batches)
    cancel(single.app, run_id)
    single.start("other", 2)
    resubmit(single.app, run_id, "missing")
    assert single.status(run_id) == "waiting"
    submit_batch(single.app, text)
    assert not single.job_is_open(run_id)
