"""Priorities of Batch jobs: small runs go first, and no run waits for ever."""

import datetime as dt

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.sweep import sweep
from orchestration.runs.priority import LIMITS, job_priority
from tests.support.fake_node import split
from tests.support.world import World

NOW = dt.timedelta()


def test_fewer_tasks_go_first() -> None:
    priorities = [job_priority(pending, NOW) for pending in (1, 3, 30, 1000, 10_000)]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == len(priorities)


def test_large_run_outranks_new_small_ones_after_hours() -> None:
    assert job_priority(30, dt.timedelta(hours=6)) > job_priority(1, NOW)
    assert job_priority(10_000, dt.timedelta(hours=24)) > job_priority(1, NOW)


@pytest.mark.parametrize(("pending", "age"), [(10**40, NOW), (1, dt.timedelta(days=300))])
def test_priority_stays_within_the_limits_of_batch(pending: int, age: dt.timedelta) -> None:
    assert LIMITS[0] <= job_priority(pending, age) <= LIMITS[1]


def priority(world: World, run_id: str) -> int:
    job = world.app.batch.job(ids.job_id(run_id, 0))
    assert job is not None
    return job.priority


def test_job_has_the_priority_of_its_batches(world: World) -> None:
    large, small = world.start("large", 30), world.start("small", 2)
    world.deliver_messages()
    assert priority(world, small) > priority(world, large)


def test_sweep_raises_the_priority_of_a_run_that_waits(world: World) -> None:
    large = world.start("large", 30)
    world.deliver_messages()
    before = priority(world, large)
    world.clock.advance(hours=5)
    sweep(world.app)
    assert priority(world, large) > before
    small = world.start("small", 2)
    world.deliver_messages()
    assert priority(world, large) > priority(world, small)


def test_job_of_a_split_video_gets_the_priority_of_its_batches(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    before = priority(world, run_id)
    split(world.storage, run_id, 30)
    world.deliver_messages()
    assert world.storage.runs.exists(RunPaths(run_id).plan)
    assert priority(world, run_id) < before
