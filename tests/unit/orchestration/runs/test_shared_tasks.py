"""Batches that share a task: messages that name ranges, one task for each group, and retries of what is missing."""

from functools import partial

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, InputError, InternalError, TemporaryError
from frame_tools.contracts.messages import MAX_RANGE, BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from tests.support.fake_node import fail, read_plan
from tests.support.in_memory_host import InMemoryHost, record_error
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain, in_parallel, message

BROKEN = InternalError("It is broken", "Report it")


@pytest.fixture
def shared(cloud: InMemoryCloud) -> World:
    """A world whose pool executes two tasks at once."""
    return cloud.world(pool_tasks=2)


def range_message(run_id: str, first: int, last: int) -> str:
    return BatchMessage(run_id=run_id, batch=first, last=last).text()


def messages(world: World) -> list[tuple[int, int]]:
    """Return the ranges that the queued messages name."""
    parsed = [BatchMessage.parse(text).batches for text in drain(world.storage.frame_batches)]
    return [(batches.first, batches.last) for batches in parsed if batches is not None]


def test_batches_are_divided_among_the_tasks_of_the_pool(shared: World) -> None:
    run_id = shared.start("clip", 10)
    assert read_plan(shared.storage, run_id).task_borders == (0, 2, 5)
    shared.deliver_messages()
    assert sorted(shared.tasks(run_id)) == ["b00000_00001", "b00002_00004"]


@pytest.mark.parametrize(
    ("batches", "tasks", "expected"),
    [
        (5, 5, [(0, 4)]),
        (100, 100, [(0, 99)]),
        (101, 101, [(0, 99), (100, 100)]),
        (250, 250, [(0, 99), (100, 199), (200, 249)]),
        (250, 2, [(0, 99), (125, 224)]),
        (120, 3, [(0, 79), (80, 119)]),
    ],
)
def test_messages_name_ranges_of_whole_tasks(
    cloud: InMemoryCloud, batches: int, tasks: int, expected: list[tuple[int, int]]
) -> None:
    world = cloud.world(pool_tasks=tasks)
    run_id = world.start("clip", batches, frames_per_batch=1)
    queued = messages(world)
    assert queued == expected
    for first, last in queued:
        submit_batch(world.app, range_message(run_id, first, last))
    assert len(world.tasks(run_id)) == tasks, "each task is placed as a whole"


def test_repeated_split_and_late_messages_create_no_second_task(shared: World) -> None:
    run_id = shared.start("clip", 10)
    drain(shared.storage.frame_batches)
    texts = [range_message(run_id, *pair) for pair in ((0, 4), (0, 2), (1, 3), (4, 4), (0, 4))]
    in_parallel([partial(submit_batch, shared.app, text) for text in texts])
    assert sorted(shared.tasks(run_id)) == ["b00000_00001", "b00002_00004"]
    shared.score(run_id, 0, 1, message=False)
    for text in texts:
        submit_batch(shared.app, text)
    assert sorted(shared.tasks(run_id)) == ["b00000_00001", "b00002_00004"]


def test_range_beyond_the_plan_is_stored_without_a_task(shared: World) -> None:
    run_id = shared.start("clip", 10)
    drain(shared.storage.frame_batches)
    submit_batch(shared.app, range_message(run_id, 3, 3 + MAX_RANGE - 1))
    assert shared.tasks(run_id) == {}
    assert len(list(shared.storage.logs.list("dead-letter/frame-batches/"))) == 1


def test_partly_settled_range_submits_what_is_missing(shared: World) -> None:
    run_id = shared.start("clip", 10)
    drain(shared.storage.frame_batches)
    shared.score(run_id, 0, 1, message=False)
    submit_batch(shared.app, range_message(run_id, 0, 4))
    assert sorted(shared.tasks(run_id)) == ["b00002_00004"]


def test_plan_that_is_made_again_is_read_again(shared: World) -> None:
    """The plan that a process has kept is not used once another one is stored."""
    run_id = shared.start("clip", 10)
    shared.deliver_messages()
    name = RunPaths(run_id).plan
    plan = shared.app.plans.find(shared.storage, run_id)
    assert plan is shared.app.plans.find(shared.storage, run_id), "it is kept"
    shared.storage.runs.write(name, b"damaged")
    finish_batch(shared.app, message(run_id, 0))
    again = shared.app.plans.find(shared.storage, run_id)
    assert again == plan
    assert again is not plan
    shared.storage.runs.delete(name)
    assert shared.app.plans.find(shared.storage, run_id) is None


def test_redone_batch_gets_the_task_of_its_group(shared: World) -> None:
    parent = shared.start("clip", 10)
    shared.finish(parent)
    child = resubmit(shared.app, parent, [3])
    shared.deliver_messages()
    assert list(shared.tasks(child)) == ["b00002_00004"]
    assert read_plan(shared.storage, child).redo == (3,)


def played(cloud: InMemoryCloud, world: World, **errors: Exception) -> tuple[InMemoryHost, str]:
    """Start a run of five batches in two tasks whose given batches end with errors: b3=ValueError()."""
    host = InMemoryHost(cloud, world)
    run_id = world.start("clip", 10)
    host.task_errors = {int(step.removeprefix("b")): error for step, error in errors.items()}
    return host, run_id


def test_failed_batch_leaves_the_others_of_its_task_done(cloud: InMemoryCloud, shared: World) -> None:
    host, run_id = played(cloud, shared, b3=InputError("The frame is none", "Upload it again"))
    outcome = host.play_until_end(run_id)
    assert (outcome.status, outcome.reason) == ("failed", "Batch 3 failed: The frame is none")
    assert shared.status_document(run_id)["batches"] == {"planned": 5, "done": 4, "failed": ["00003"]}
    host.task_errors.clear()
    resubmit(shared.app, run_id, "failed")
    assert host.play_until_end(run_id).status == "finished"


def test_error_of_one_batch_is_retried_and_then_fails_it_alone(cloud: InMemoryCloud, shared: World) -> None:
    host, run_id = played(cloud, shared, b3=InternalError("It is broken", "Report it"))
    outcome = host.play_until_end(run_id)
    assert (outcome.status, outcome.reason) == ("failed", "Batch 3 failed: It is broken")
    assert shared.status_document(run_id)["batches"]["done"] == 4
    assert {name for name in shared.runs_blobs(run_id) if name.startswith("retries/")} == {"retries/00003-1"}


def test_of_several_errors_of_a_task_the_first_is_blamed(cloud: InMemoryCloud, shared: World) -> None:
    """The later ones may be its consequences: their frames are smoothed with those before them."""
    host, run_id = played(cloud, shared, b2=BROKEN, b3=BROKEN)
    host.play(rounds=2)
    sweep(shared.app)
    retried = {name for name in shared.runs_blobs(run_id) if name.startswith("retries/")}
    assert retried == {"retries/00002-1"}


@pytest.mark.parametrize(
    ("code", "failed"),
    [(ErrorCode.INVALID_INPUT, ["00002", "00003"]), (ErrorCode.TASK_FAILED, ["00002", "00003", "00004"])],
)
def test_corrupt_input_before_a_dying_batch_does_not_fail_the_rest(
    cloud: InMemoryCloud, shared: World, code: ErrorCode, failed: list[str]
) -> None:
    run_id = shared.start("clip", 10)
    shared.deliver_messages()
    fail(shared.storage, run_id, 2, code=code)
    for _ in range(2):
        kill_tasks(cloud, run_id, 2)
        sweep(shared.app)
    assert list(shared.status_document(run_id)["batches"]["failed"]) == failed


def test_outage_in_a_task_delays_all_its_batches(cloud: InMemoryCloud, shared: World) -> None:
    host, run_id = played(cloud, shared, b3=TemporaryError("Storage is away", "Wait"))
    host.play(rounds=4)
    assert (host.outcome(run_id), shared.status_document(run_id)["batches"]["done"]) == (None, 3)
    host.task_errors.clear()
    assert host.play_until_end(run_id, rounds=20).status == "finished"


def kill_tasks(cloud: InMemoryCloud, run_id: str, batch: int) -> None:
    """End the task of a batch as the system's lack of memory does: nothing is recorded."""
    cloud.jobs.end_step(run_id, batch, exit_code=137)


def test_task_that_dies_without_a_word_costs_one_batch(cloud: InMemoryCloud, shared: World) -> None:
    """After its retries the first missing batch fails, and the next attempt begins behind it."""
    run_id = shared.start("clip", 10)
    shared.deliver_messages()
    for _ in range(2):
        kill_tasks(cloud, run_id, 2)
        sweep(shared.app)
    assert list(shared.status_document(run_id)["batches"]["failed"]) == ["00002"]
    (active,) = [name for name, task in shared.tasks(run_id).items() if task.is_active and name.startswith("b00002")]
    assert ids.parse_task_id(active) == (ids.BatchRange(2, 4), 1)
    shared.score(run_id, 0, 1, 3, 4)
    shared.deliver_messages()
    outcome = shared.outcome(run_id)
    assert (outcome.status, outcome.code) == ("failed", ErrorCode.TASK_FAILED)


def test_task_that_dies_at_every_batch_fails_all_of_them(cloud: InMemoryCloud, shared: World) -> None:
    run_id = shared.start("clip", 10)
    shared.deliver_messages()
    for _ in range(4):
        kill_tasks(cloud, run_id, 2)
        sweep(shared.app)
    failed = [item.name for item in shared.storage.runs.list(RunPaths(run_id).failures)]
    assert failed == [RunPaths(run_id).failure(f"0000{batch}") for batch in (2, 3, 4)]
    assert {Failure.load_stored(shared.storage.runs.need(name).data).code for name in failed} == {ErrorCode.TASK_FAILED}


def test_error_of_an_earlier_attempt_blames_nobody(cloud: InMemoryCloud, shared: World) -> None:
    """The recorded error is another attempt's; this one was killed at the first missing batch."""
    run_id = shared.start("clip", 10)
    shared.deliver_messages()
    error = InternalError("It is broken", "Report it")
    record_error(shared, run_id, 4, task_id="b00002_00004", error=error)
    kill_tasks(cloud, run_id, 2)
    sweep(shared.app)
    assert {name for name in shared.runs_blobs(run_id) if name.startswith("retries/")} == {"retries/00002-1"}
