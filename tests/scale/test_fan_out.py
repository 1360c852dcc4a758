"""What the fan-out of a run costs: exact numbers of messages and of calls to storage and Batch, and bytes of plan."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import Blob
from frame_tools.storage.recorded_hashes import record_hash
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from orchestration.plan_cache import PlanCache
from orchestration.runs.advance import batch_messages
from orchestration.state import RunState, read_state
from tests.scale.open_runs import count_operations
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain, message

MESSAGE = 10
"""Storage operations of a message that places tasks: marks, receipts, failures, slots, plan, pool, jobs, outcome."""
FIRST_PLAN = 2
"""More of them where a process has not read the plan yet: its bytes, and what is recorded of it."""
FINISHED = 2
"""Storage operations of "this batch is done": the plan's ETag, and the record."""


def planned(cloud: InMemoryCloud, batches: int, *, task_borders: tuple[int, ...] = ()) -> tuple[World, str]:
    """Return a world with a run whose plan has this many batches of one frame, and nothing queued."""
    world = cloud.world()
    run_id = world.start("clip", 2, frames_per_batch=1)
    world.deliver_messages()
    name = RunPaths(run_id).plan
    plan = Plan.load_stored(world.storage.runs.need(name).data)
    plan = plan.model_copy(update={"borders": tuple(range(batches + 1)), "task_borders": task_borders, "sample": (0,)})
    record_hash(world.storage, plan)
    world.storage.runs.write(name, plan.dumps())
    cloud.jobs.tasks.clear()
    return world, run_id


def messages_of(world: World, run_id: str) -> list[str]:
    state = read_state(world.storage, run_id)
    assert isinstance(state, RunState)
    return [each.text() for each in batch_messages(state)]


@pytest.mark.parametrize("batches", [100, 1_000, 10_000])
def test_calls_of_a_fan_out(batches: int) -> None:
    """A message for each hundred batches, a Batch call for each message, and three more for the run's job."""
    world, run_id = planned(InMemoryCloud(), batches)
    texts = messages_of(world, run_id)
    assert len(texts) == batches / 100
    calls = count_operations(world.app, lambda app: [submit_batch(app, text) for text in texts]).by_resource
    assert len(world.tasks(run_id)) == batches
    assert calls["batch"] == len(texts) + 3
    assert calls.total() - calls["batch"] <= len(texts) * MESSAGE + 16
    assert 12 * batches >= 50 * calls.total(), "one by one it would be twelve calls for each batch"


def test_repeated_message_lists_the_tasks_once() -> None:
    world, run_id = planned(InMemoryCloud(), 100)
    (text,) = messages_of(world, run_id)
    submit_batch(world.app, text)
    repeated = count_operations(world.app, lambda app: submit_batch(app, text)).by_resource
    assert repeated["batch"] == 3, "the collection, the job, and its tasks"


@pytest.mark.parametrize("batches", [10, 1_000, 10_000])
def test_plan_is_read_once_by_a_process(batches: int) -> None:
    """Plans grow with their batches, so reading one for every message would cost the square of them."""
    world, run_id = planned(InMemoryCloud(), batches)
    read: list[int] = []

    def counted(original: Callable[..., Blob | None], name: str, *, limit: int | None = None) -> Blob | None:
        blob = original(name, limit=limit)
        if blob is not None and name == RunPaths(run_id).plan:
            read.append(len(blob.data))
        return blob

    app = replace(world.intercepted("runs", read=counted).app, plans=PlanCache())
    for batch in range(5):
        finish_batch(app, message(run_id, batch))
    for text in messages_of(world, run_id)[:5]:
        submit_batch(app, text)
    assert read == [len(world.storage.runs.need(RunPaths(run_id).plan).data)]


@pytest.mark.parametrize("batches", [10, 10_000])
def test_finished_batch_costs_the_same_for_any_number_of_batches(batches: int) -> None:
    world, run_id = planned(InMemoryCloud(), batches)
    finish_batch(world.app, message(run_id, 0))
    assert count_operations(world.app, lambda app: finish_batch(app, message(run_id, 1))).total <= FINISHED + FIRST_PLAN


def test_tasks_of_many_batches_take_one_message_each() -> None:
    world, run_id = planned(InMemoryCloud(), 1_000, task_borders=(0, 250, 500, 750, 1_000))
    ranges = [BatchMessage.parse(text).batches for text in messages_of(world, run_id)]
    assert [(each.first, each.last) for each in ranges if each] == [(0, 99), (250, 349), (500, 599), (750, 849)]
    drain(world.storage.frame_batches)
