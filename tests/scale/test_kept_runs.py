"""What runs that have ended cost the sweep: a page of them, however many are kept; and how many jobs are active."""

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from orchestration.app import App
from orchestration.handlers.sweep import sweep
from orchestration.runs import old_runs, orphans
from orchestration.runs.sweep_progress import Scan, SweepProgress, read_progress, write_progress
from tests.scale.open_runs import OpenRuns, count_operations
from tests.scale.test_open_runs import MOST, SWEEP, after_scan
from tests.support.memory_world import InMemoryCloud
from tests.unit.orchestration.test_outages import without_quota

WITHOUT_OPEN_RUNS = SWEEP - 1
"""Its progress is written once."""
LISTINGS = 1
"""Of a page of all runs."""


def keep_runs(count: int) -> InMemoryCloud:
    """Return a cloud with runs that have ended."""
    cloud = InMemoryCloud()
    runs = cloud.world().storage.runs
    for number in range(count):
        run_id = f"old-{number:010x}"
        ended = Outcome(run_id=run_id, status="finished", reason="", name="old", ended_at="2026-01-01T00:00:00Z")
        runs.write(RunPaths(run_id).outcome, ended.dumps())
    return cloud


@pytest.mark.parametrize("count", [2000, 180_000])
def test_sweep_looks_at_one_page_of_the_kept_runs(count: int) -> None:
    world = keep_runs(count).world()
    write_progress(world.storage, SweepProgress(), SweepProgress(index=Scan(complete_at=world.clock.now())))
    for _ in range(2):
        operations = count_operations(world.app, sweep)
        assert operations.total == WITHOUT_OPEN_RUNS + LISTINGS + orphans.PAGE_SIZE
        assert read_progress(world.storage).orphans.marker, "the next sweep continues there"


def test_page_of_runs_that_are_not_listed_yet_is_bounded() -> None:
    world = keep_runs(3 * old_runs.PAGE_SIZE).world()
    complete = Scan(complete_at=world.clock.now())
    write_progress(world.storage, SweepProgress(), SweepProgress(orphans=complete))
    assert count_operations(world.app, sweep).total <= SWEEP + LISTINGS + 10 * old_runs.PAGE_SIZE


@pytest.mark.parametrize(("slots", "runs"), [(3, 12), (20, 60)])
def test_number_of_jobs_is_bounded_by_the_slots(slots: int, runs: int) -> None:
    cloud = InMemoryCloud()
    world = cloud.world(max_open_runs=slots)
    started = [world.start(f"clip{number}", 2) for number in range(runs)]
    most = 0
    while len(cloud.jobs.closed) < runs:
        world.deliver_messages()
        active = set(cloud.jobs.tasks) - cloud.jobs.closed
        most = max(most, len(active))
        for run_id in started:
            if any(job.startswith(run_id) for job in active):
                world.score(run_id)
    assert most == slots
    assert {world.status(run_id) for run_id in started} == {"finished"}


def test_full_quota_of_jobs_makes_runs_wait_with_the_reason() -> None:
    """While Batch accepts no job, a sweep tries each admitted run once, at the bounded cost of any repair."""
    cloud = InMemoryCloud()
    world = cloud.world(max_open_runs=5)
    runs = [world.start(f"clip{number}", 2) for number in range(5)]
    cloud.queues["frame_batches"].clear()
    after_scan(OpenRuns(cloud, world, tuple(runs), ()))
    world.clock.advance(minutes=10)

    def refused_sweep(app: App) -> None:
        with pytest.raises(ExceptionGroup):
            sweep(without_quota(app))

    assert count_operations(world.app, refused_sweep).total <= SWEEP + len(runs) * MOST
    trouble = [world.status_document(run_id)["trouble"] for run_id in runs]
    assert all("ActiveJobAndScheduleQuotaReached" in reasons[0] for reasons in trouble)
    assert not cloud.jobs.tasks
    sweep(world.app)
    assert len(cloud.jobs.tasks) == len(runs)
