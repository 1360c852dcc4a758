"""What handlers cost with 1, 100 and 1,000 open runs: exact numbers of operations on storage and Batch."""

from dataclasses import replace

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.answers import RunRow
from frame_tools.contracts.calls import RunsQuery
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.start_run import start_run
from orchestration.handlers.sweep import sweep
from orchestration.reporting.listing import list_page
from orchestration.reporting.run_index import read_row, write_entry
from orchestration.reporting.spending import read_spending
from orchestration.reporting.status import run_status
from orchestration.runs.sweep_progress import Scan, SweepProgress, write_progress
from orchestration.web.rows import list_rows, open_rows
from tests.scale.open_runs import OpenRuns, StandingClock, count_operations, open_runs
from tests.support.fake_node import fail
from tests.support.world import message

SWEEP = 9
"""Operations of a sweep that no run causes: its progress (three), slots and open marks, a page of the trigger files,
the places of previews."""
ADMITTED = 12
"""Operations of a sweep on a run whose tasks are active: its state once, its job, its tasks, the pool."""
WAITING = 1
MOST = 40
"""What an admitted run may cost at most."""


@pytest.fixture(
    params=[(1, 0), (20, 80), (100, 0), (20, 980)], ids=lambda runs: f"{runs[0]} admitted, {runs[1]} waiting"
)
def runs(request: pytest.FixtureRequest) -> OpenRuns:
    """Open runs."""
    admitted, waiting = request.param
    return after_scan(open_runs(admitted, waiting))


def after_scan(runs: OpenRuns) -> OpenRuns:
    """Record that all runs have just been scanned, for orphans and for the list of runs; that is not counted here."""
    complete = Scan(complete_at=runs.world.clock.now())
    progress = SweepProgress(orphans=complete, index=complete)
    write_progress(runs.world.storage, SweepProgress(), progress)
    runs.world.storage.runs.write(paths.INDEX_COMPLETE, b"")
    return runs


def test_sweep_costs_the_same_for_each_run(runs: OpenRuns) -> None:
    operations = count_operations(runs.world.app, sweep)
    assert operations.total == SWEEP + ADMITTED * len(runs.admitted) + WAITING * len(runs.waiting)
    assert {operations.of_run(run_id) for run_id in runs.waiting} <= {WAITING}
    assert ADMITTED <= MOST


def handler_costs(runs: OpenRuns) -> dict[str, int]:
    """Return what it costs to accept a run while no slot is free, to ask for a status, and to join and end a run."""
    world, run_id = runs.world, runs.admitted[0]
    world.upload_frames("more", 2)
    trigger = world.upload_trigger("more")
    costs = {
        "start": count_operations(world.app, lambda app: start_run(app, trigger)).total,
        "status": count_operations(world.app, lambda app: run_status(app, run_id)).total,
    }
    world.score(run_id, message=False)
    return costs | {"end": count_operations(world.app, lambda app: finish_batch(app, message(run_id, "advance"))).total}


def test_other_runs_do_not_make_a_handler_dearer(runs: OpenRuns) -> None:
    costs = handler_costs(runs)
    assert costs == handler_costs(after_scan(open_runs(1, 0)))
    assert costs["start"] <= 14  # two of them keep the list of runs
    assert costs["status"] <= 11


STATUS = 10
"""Operations of a status of a run with a slot."""
KEPT = 2
"""Of a watcher to find no answer, and to keep the own one."""
ROW = 2
"""Of a row of the page while the answer is fresh: the answer, and a listing of the run's pictures."""
REFRESH = 2
"""Operations of a refresh of the screen Runs that no run causes: the open marks and the entries of the list."""


def test_refresh_of_the_page_reads_only_runs_with_a_slot(runs: OpenRuns) -> None:
    run_ids = [*runs.admitted, *runs.waiting]
    status = count_operations(runs.world.app, lambda app: run_status(app, runs.admitted[0])).total
    assert status == STATUS
    app = replace(runs.world.app, clock=StandingClock())
    drawn = count_operations(app, lambda app: list_rows(app, count=len(run_ids)))
    assert drawn.total == REFRESH + (KEPT + STATUS + ROW - 1) * len(runs.admitted)
    assert {drawn.of_run(run_id) for run_id in runs.waiting} <= {0}
    shown = run_ids[:100]
    polled = count_operations(app, lambda app: open_rows(app, shown))
    assert polled.total == REFRESH + ROW * len(set(shown) & set(runs.admitted))


@pytest.mark.parametrize("ended", [1, 20, 100])
def test_refresh_of_the_page_reads_no_run_that_has_ended(ended: int) -> None:
    runs = after_scan(open_runs(ended, 0))
    for run_id in runs.admitted:
        end_run(runs, run_id)
    operations = count_operations(runs.world.app, lambda app: list_rows(app, count=ended))
    assert operations.total == REFRESH
    rows = [row for _, each in list_rows(runs.world.app, count=ended).days for row in each]
    assert len(rows) == ended
    assert {(row.state.key, row.detail, bool(row.download)) for row in rows} == {("finished", "4 frames", True)}
    spending = count_operations(runs.world.app, read_spending)
    assert spending.total == REFRESH


def end_run(runs: OpenRuns, run_id: str) -> None:
    """Write what the end of a run leaves in the list of runs, and delete its open mark."""
    storage = runs.world.storage
    row = read_row(storage, run_id)
    ended = {"status": "finished", "ended_at": row.received_at, "frames": 4, "frames_done": 4, "pictures": ()}
    write_entry(storage, row.model_copy(update=ended | {"video": f"output/{run_id}/video.mp4"}))
    storage.runs.delete(RunPaths(run_id).open_mark)


def test_batches_do_not_make_the_sweep_dearer() -> None:
    runs = after_scan(open_runs(1, 0, batches=100))
    assert count_operations(runs.world.app, sweep).total == SWEEP + ADMITTED


def test_failed_batches_do_not_make_the_sweep_dearer() -> None:
    runs = after_scan(open_runs(1, 0, batches=100))
    for batch in range(99):
        fail(runs.world.storage, runs.admitted[0], batch)
    assert count_operations(runs.world.app, sweep).total <= SWEEP + MOST
    assert count_operations(runs.world.app, lambda app: run_status(app, runs.admitted[0])).total <= MOST


PAGE = 2
"""Operations of a page of the list of runs: the open marks and the entries."""


def test_page_of_the_list_costs_the_same_for_any_number_of_runs(runs: OpenRuns) -> None:
    operations = count_operations(runs.world.app, lambda app: list_page(app, RunsQuery(limit=50)))
    assert operations.total == PAGE
    first = list_page(runs.world.app, RunsQuery(limit=7))
    if first.next is not None:
        operations = count_operations(runs.world.app, lambda app: list_page(app, RunsQuery(limit=7, after=first.next)))
        assert operations.total == PAGE
    filtered = RunsQuery(status=("finished",), label="spring")
    assert count_operations(runs.world.app, lambda app: list_page(app, filtered)).total <= PAGE + 1


def test_pages_have_every_run_once_newest_first(runs: OpenRuns) -> None:
    rows, after = list[RunRow](), None
    while True:
        page = list_page(runs.world.app, RunsQuery(limit=300, after=after))
        rows += page.runs
        if page.next is None:
            break
        after = page.next
    assert sorted(row.run_id for row in rows) == sorted((*runs.admitted, *runs.waiting))
    times = [str(row.received_at) for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row.run_id for row in rows if row.status == "waiting"} == set(runs.waiting)
