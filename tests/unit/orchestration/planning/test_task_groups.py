"""A run keeps the tasks of its first plan, however the throughput of earlier runs changes."""

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.recorded_hashes import load_plan
from orchestration.handlers.sweep import sweep
from orchestration.planning.task_groups import MAX_BYTES
from orchestration.throughput_history import MeasuredThroughput, ThroughputHistory, WorkKind
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, painting

BATCHES = 12


def started() -> tuple[World, str, Plan]:
    world = InMemoryCloud().world(pool_tasks=4)
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", BATCHES, scorer="any", style="sea.png", frames_per_batch=1)
    plan, _ = load_plan(world.storage, run_id)
    return world, run_id, plan


def end_another_run(world: World, run_id: str, plan: Plan) -> None:
    """Record the throughput of a run whose tasks took long to start, so that fewer would have been better."""
    manifest = Manifest.load_stored(world.storage.runs.need(RunPaths(run_id).manifest).data)
    pool = world.app.settings.batch_pool_id
    throughput = MeasuredThroughput(
        kind=WorkKind.of(plan.options, width=manifest.width, height=manifest.height, pool=pool),
        seconds_per_frame=0.1,
        start_up_seconds=10,
        expected_seconds_per_frame=0.1,
        frames=500,
        measured_at=world.clock.now(),
    )
    world.storage.runs.write(paths.throughput_history(), ThroughputHistory().with_throughput(throughput).dumps())


def test_run_that_is_planned_again_keeps_its_tasks_and_receipts() -> None:
    world, run_id, plan = started()
    world.deliver_messages()
    world.score(run_id, 0)
    end_another_run(world, run_id, plan)
    world.storage.runs.write(RunPaths(run_id).plan, b"{")
    sweep(world.app)
    assert load_plan(world.storage, run_id)[0].task_borders == plan.task_borders == (0, 3, 6, 9, 12)
    receipt = world.storage.runs.need(RunPaths(run_id).receipt(0))
    world.score(run_id, *range(1, BATCHES))
    world.deliver_messages()
    assert world.status(run_id) == "finished"
    assert world.storage.runs.need(RunPaths(run_id).receipt(0)) == receipt
    later = world.start("later", BATCHES, scorer="any", style="sea.png", frames_per_batch=1, input="clip")
    assert load_plan(world.storage, later)[0].task_borders == (0, 12)


@pytest.mark.parametrize(
    "stored", [b"", b"{}", b"[0, 6]", b"[0, 8, 4, 12]", b"[3, 12]", b'["0", "12"]', b"[" + b"0," * MAX_BYTES + b"12]"]
)
def test_damaged_borders_are_made_again(stored: bytes) -> None:
    world, run_id, plan = started()
    names = RunPaths(run_id)
    world.storage.runs.write(names.task_borders, stored)
    world.storage.runs.delete(names.plan)
    world.storage.runs.delete(names.queued("batches"))
    sweep(world.app)
    assert load_plan(world.storage, run_id)[0].task_borders == plan.task_borders
    assert world.storage.runs.need(names.task_borders).data == b"[0,3,6,9,12]"
