"""What watchers of a run cost: one request a poll, and one computation every two seconds however many they are."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from frame_tools.client.polling import poll_pause
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.handlers.sweep import sweep
from orchestration.reporting.status import run_status
from orchestration.reporting.watched_status import ENDED_FRESH, FRESH, watched_status
from orchestration.web.parts import part
from orchestration.web.rows import open_rows
from tests.scale.open_runs import StandingClock, count_operations, open_runs
from tests.support.page_runs import write_progress
from tests.support.world import World

WRITES = 2
"""A watcher who computes says so, and then writes the answer."""


@pytest.fixture
def run() -> tuple[World, str]:
    runs = open_runs(1, 0)
    return runs.world, runs.admitted[0]


def operations(world: World, run_id: str) -> int:
    return count_operations(world.app, lambda app: watched_status(app, run_id)).total


def test_poll_is_one_request_while_the_answer_is_fresh(run: tuple[World, str]) -> None:
    world, run_id = run
    computed = count_operations(world.app, lambda app: run_status(app, run_id)).total
    assert operations(world, run_id) == 1 + computed + 1  # nobody has watched before: no claim
    assert operations(world, run_id) == 1
    world.clock.advance(seconds=FRESH.total_seconds() + 0.1)
    assert operations(world, run_id) == 1 + computed + WRITES
    assert operations(world, run_id) == 1


def test_thousand_watchers_cost_one_computation_every_two_seconds(run: tuple[World, str]) -> None:
    world, run_id = run
    computed = count_operations(world.app, lambda app: run_status(app, run_id)).total
    clock = StandingClock()
    world = World(replace(world.app, clock=clock))
    watched_status(world.app, run_id)
    seconds, polls, total = 60, 0, 0
    for _ in range(200 * seconds):  # a thousand watchers, each of whom polls every five seconds
        clock.time += dt.timedelta(seconds=1) / 200
        total += operations(world, run_id)
        polls += 1
    computations = (total - polls) / (computed + WRITES)
    assert computations == int(computations)
    assert computations <= seconds / FRESH.total_seconds()
    assert total / polls < 1.1


def test_single_watcher_costs_less_than_without_the_answer(run: tuple[World, str]) -> None:
    world, run_id = run
    computed = count_operations(world.app, lambda app: run_status(app, run_id)).total
    elapsed, polls, total = 0.0, 0, 0
    while elapsed < 60:
        total += operations(world, run_id)
        polls += 1
        world.clock.advance(seconds=poll_pause(elapsed))
        elapsed += poll_pause(elapsed)
    assert total < 0.5 * polls * computed


def test_ended_run_is_one_request(run: tuple[World, str]) -> None:
    world, run_id = run
    assert world.finish(run_id) == "finished"
    watched_status(world.app, run_id)
    for _ in range(4):
        assert operations(world, run_id) == 1
        world.clock.advance(seconds=ENDED_FRESH.total_seconds() / 5)


def test_end_of_a_run_is_computed_once_for_a_thousand_watchers(run: tuple[World, str]) -> None:
    """All of them poll while the first one computes."""
    world, run_id = run
    watched_status(world.app, run_id)
    assert world.finish(run_id) == "finished"
    others = list[int]()

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if name == RunPaths(run_id).request and not others:
            others.extend(operations(world, run_id) for _ in range(1000))
        return original(name, **options)

    status = watched_status(world.intercepted("runs", read=read).app, run_id)
    assert status is not None
    assert status["status"] == "finished"
    assert others == 1000 * [1]
    assert operations(world, run_id) == 1


@pytest.mark.parametrize("batches", [3, 40])
@pytest.mark.parametrize("done", [1, 3])
def test_page_s_progress_shares_the_status(batches: int, done: int) -> None:
    """Beside the status: a listing, and the first tasks' receipts or progress for the times of the stages."""
    runs = open_runs(1, 0, batches=batches)
    world, run_id = runs.world, runs.admitted[0]
    world.score(run_id, *range(done), message=False)
    watched_status(world.app, run_id)
    drawn = count_operations(world.app, lambda app: part(app, "progress", run_id, {}))
    assert drawn.total == 1 + 1 + done


@pytest.mark.parametrize("batches", [3, 40])
def test_page_s_batches_cost_two_requests_beside_the_status(batches: int) -> None:
    """However many batches are painted or running: their names say it."""
    runs = open_runs(1, 0, batches=batches)
    world, run_id = runs.world, runs.admitted[0]
    world.score(run_id, *range(batches - 1), message=False)
    write_progress(world, run_id, batches - 1, 1)
    html = part(world.app, "batches", run_id, {}).html
    assert f"{batches - 1} of {batches} batches painted, 1 in progress" in html

    def draw(app: App) -> None:
        part(app, "batches", run_id, {})

    first = count_operations(world.app, draw).total  # reads the plan
    assert count_operations(world.app, lambda app: (draw(app), draw(app))).total - first == 1 + 2


def test_page_s_pictures_cost_a_request_beside_the_status_while_there_are_no_more() -> None:
    runs = open_runs(1, 0)
    world, run_id = runs.world, runs.admitted[0]
    watched_status(world.app, run_id)
    drawn = count_operations(world.app, lambda app: part(app, "pictures", run_id, {"have": ["0"]}))
    assert drawn.total == 1 + 1


def test_rows_of_open_runs_share_the_status() -> None:
    """Beside the list: a status and a look for pictures for each run."""
    runs = open_runs(20, 0)
    app = replace(runs.world.app, clock=StandingClock())
    sweep(app)  # from then on the list of runs is complete
    open_rows(app, runs.admitted)
    assert count_operations(app, lambda app: open_rows(app, runs.admitted)).total == 2 + 2 * len(runs.admitted)


def test_other_runs_do_not_make_a_poll_dearer() -> None:
    runs = open_runs(20, 80)
    watched_status(runs.world.app, runs.admitted[0])
    assert operations(runs.world, runs.admitted[0]) == 1


def test_two_instances_share_the_answer(run: tuple[World, str]) -> None:
    world, run_id = run
    watched_status(world.app, run_id)
    other = World(replace(world.app))
    assert operations(other, run_id) == 1
