"""What watchers of a run cost: one request a poll, and one computation every two seconds however many they are."""

import datetime as dt
from dataclasses import replace

import pytest

from frame_tools.client.polling import poll_pause
from orchestration.reporting.status import run_status
from orchestration.reporting.watched_status import ENDED_FRESH, FRESH, watched_status
from tests.scale.open_runs import count_operations, open_runs
from tests.support.world import World

WRITES = 2
"""A watcher who computes says so, and then writes the answer."""


class StandingClock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.time


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


def test_other_runs_do_not_make_a_poll_dearer() -> None:
    runs = open_runs(20, 80)
    watched_status(runs.world.app, runs.admitted[0])
    assert operations(runs.world, runs.admitted[0]) == 1


def test_two_instances_share_the_answer(run: tuple[World, str]) -> None:
    world, run_id = run
    watched_status(world.app, run_id)
    other = World(replace(world.app))
    assert operations(other, run_id) == 1
