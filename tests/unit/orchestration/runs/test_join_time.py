"""Which joins are quick enough for the function."""

import datetime as dt
import json
from pathlib import Path

import pytest

from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.finish_batch import finish_batch
from orchestration.runs import joining
from orchestration.runs.join_time import HOST_TIMEOUT, LONGEST_JOIN, join_time
from tests.support.world import World, message

PROJECT = Path(__file__).resolve().parents[4]
GIB = 2**30


def test_timeout_is_that_of_the_host() -> None:
    host = json.loads((PROJECT / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    assert dt.timedelta(hours=hours, minutes=minutes, seconds=seconds) == HOST_TIMEOUT


@pytest.mark.parametrize(
    ("batches", "frames", "media_bytes", "quick"),
    [
        (1, 96, 10**6, True),
        (1042, 100_000, 2 * GIB, True),
        (2, 200, 9 * GIB, False),
        (10_000, 100_000, GIB, False),
        (10_000, 10_000, 0, False),
    ],
)
def test_join_that_may_be_slow_is_left_to_a_node(batches: int, frames: int, media_bytes: int, quick: bool) -> None:
    assert (join_time(batches=batches, frames=frames, media_bytes=media_bytes) <= LONGEST_JOIN) is quick


def scored_run(world: World) -> str:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, message=False)
    return run_id


def test_slow_join_is_made_by_a_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = scored_run(world)
    monkeypatch.setattr(joining, "LONGEST_JOIN", dt.timedelta(seconds=0.01))
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "joining"
    assert world.tasks(run_id)["join"].is_active
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_receipts_of_very_many_batches_are_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = scored_run(world)
    monkeypatch.setattr(joining, "LONGEST_JOIN", dt.timedelta(seconds=0.01))
    reads: list[str] = []

    def read(original, name: str, **options):
        reads.append(name)
        return original(name, **options)

    finish_batch(world.intercepted("runs", read=read).app, message(run_id, "advance"))
    assert RunPaths(run_id).receipt(0) not in reads


def test_run_that_a_task_joins_costs_the_sweep_no_receipts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = scored_run(world)
    small = world.changed(join_in_function_bytes=1)
    finish_batch(small.app, message(run_id, "advance"))
    reads: list[str] = []

    def read(original, name: str, **options):
        reads.append(name)
        return original(name, **options)

    finish_batch(small.intercepted("runs", read=read).app, message(run_id, "advance"))
    assert RunPaths(run_id).receipt(0) not in reads
