"""How many neighboring batches share a task."""

import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.task_share import divisions, share_table
from frame_tools.contracts.options import Options
from frame_tools.costs.grouping import (
    LEAST_SHARE,
    USEFUL_SHARE,
    frames_per_task,
    run_workload,
    task_borders,
    task_count,
    useful_share,
)
from frame_tools.costs.model import Workload
from frame_tools.costs.throughput import device_throughput

OPTIONS = Options(scorer="any").with_default_strokes
HOUR = 108_000
BATCH = 96
WORK = Workload(frames=9_600, seconds_per_frame=0.05, start_up_seconds=2.0, warm_up_frames=10)


def planned(frames: int, *, device: str, size: tuple[int, int], at_once: int) -> tuple[int, ...]:
    """Return the borders, in frames, of the tasks of a run."""
    throughput = device_throughput(device, width=size[0], height=size[1], options=OPTIONS)
    batches = math.ceil(frames / BATCH)
    borders = task_borders(run_workload(frames, throughput, OPTIONS), batches=batches, at_once=at_once)
    return tuple(frames * border // batches for border in borders)


def smallest_share(frames: int, borders: tuple[int, ...], *, seconds_per_frame: float, start_up: float) -> float:
    """Return the useful share of the shortest task on a device whose throughput the plan did not know."""
    work = Workload(frames=frames, seconds_per_frame=seconds_per_frame, start_up_seconds=start_up, warm_up_frames=10)
    return useful_share(work, min(after - before for before, after in pairwise(borders)))


@given(st.integers(1, 10_000), st.integers(1, 200), st.floats(0, 10), st.floats(0, 100), st.integers(0, 40))
def test_tasks_cover_all_batches(batches: int, at_once: int, seconds: float, start_up: float, warm_up: int) -> None:
    work = Workload(frames=40 * batches, seconds_per_frame=seconds, start_up_seconds=start_up, warm_up_frames=warm_up)
    borders = task_borders(work, batches=batches, at_once=at_once)
    sizes = [after - before for before, after in pairwise(borders)]
    assert (borders[0], borders[-1], min(sizes) >= 1, max(sizes) - min(sizes) <= 1) == (0, batches, True, True)
    assert len(sizes) >= min(batches, at_once), "a node has no work"
    assert len(sizes) == batches or len(sizes) % at_once == 0, "the last round is not full"


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_long_runs_have_the_useful_share(at_once: int) -> None:
    work = replace(WORK, frames=100 * frames_per_task(WORK))
    borders = task_borders(work, batches=work.frames // 50, at_once=at_once)
    shortest = 50 * min(after - before for before, after in pairwise(borders))
    assert useful_share(work, shortest) >= USEFUL_SHARE - 0.001
    assert shortest < 2 * frames_per_task(WORK), "no longer than that needs"


def test_short_run_is_spread_over_the_pool() -> None:
    assert task_borders(WORK, batches=100, at_once=4) == (0, 25, 50, 75, 100)
    assert task_borders(WORK, batches=3, at_once=4) == (0, 1, 2, 3)


@given(st.integers(1, 2_000), st.integers(1, 50), st.floats(0.001, 10), st.floats(0, 100), st.integers(0, 40))
def test_measured_runs_use_fewer_nodes_where_starts_outweigh(
    batches: int, at_once: int, seconds: float, start_up: float, warm_up: int
) -> None:
    guessed = Workload(
        frames=40 * batches, seconds_per_frame=seconds, start_up_seconds=start_up, warm_up_frames=warm_up
    )
    work = replace(guessed, is_measured=True)
    before = len(task_borders(guessed, batches=batches, at_once=at_once)) - 1
    borders = task_borders(work, batches=batches, at_once=at_once)
    count = len(borders) - 1
    assert (borders[0], borders[-1], count <= before) == (0, batches, True)
    shortest = 40 * min(after - before for before, after in pairwise(borders))
    assert count == 1 or useful_share(work, shortest) >= LEAST_SHARE - 1e-9
    if count < before:
        assert useful_share(work, 40 * (batches // (count + 1))) < LEAST_SHARE, "one more would have had the share"


@pytest.mark.parametrize("frames", [18_000, HOUR])
def test_useful_share_on_a_gpu_whose_throughput_is_measured(frames: int) -> None:
    """Ten minutes of video on four of the fastest GPUs had 0.73 to 0.83."""
    shares = [each.share for each in divisions(at_once=4, is_measured=True) if each.frames == frames]
    assert min(shares) >= LEAST_SHARE


def test_useful_share_where_the_start_takes_longer_than_the_painting() -> None:
    """A minute of video: one task, whose share can't be higher."""
    short = [each for each in divisions(at_once=4, is_measured=True) if each.share < LEAST_SHARE]
    assert {(each.frames, each.tasks) for each in short} == {(1_800, 1)}


def test_documented_divisions() -> None:
    page = (Path(__file__).parents[4] / "docs" / "cost.md").read_text(encoding="utf-8")
    assert share_table(at_once=4) in page


def test_programs_get_a_task_for_each_batch() -> None:
    assert task_count(WORK, Options(scorer="script", program="x"), batches=100, at_once=1) == 100
    assert task_count(WORK, OPTIONS, batches=100, at_once=1) < 10


@pytest.mark.parametrize(("frames", "share"), [(250, 0.87), (2_000, 0.97)])
def test_useful_share_on_two_cores(frames: int, share: float) -> None:
    """The first task of a run needs no warm-up frames."""
    borders = planned(frames, device="cpu", size=(640, 360), at_once=1)
    assert len(borders) == 2
    work = Workload(frames=frames, seconds_per_frame=0.052, start_up_seconds=1.85)
    assert useful_share(work, frames) > share


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("start_up", [8.0, 15.0])
@pytest.mark.parametrize("speed", [1, 10, 50])
def test_useful_share_on_a_gpu_of_unknown_speed(speed: int, start_up: float, at_once: int) -> None:
    borders = planned(HOUR, device="gpu", size=(1920, 1080), at_once=at_once)
    assert smallest_share(HOUR, borders, seconds_per_frame=0.464 / speed, start_up=start_up) >= 0.9


def test_documented_shares() -> None:
    page = (Path(__file__).parents[4] / "docs" / "cost.md").read_text(encoding="utf-8")
    together = planned(HOUR, device="gpu", size=(1920, 1080), at_once=1)
    alone = tuple(range(0, HOUR + 1, BATCH))
    for name, speed in (("as fast as two cores", 1), ("ten times", 10), ("fifty times", 50)):
        (row,) = re.findall(rf"^\| {name} \|(.*)\|$", page, re.MULTILINE)
        shares = [
            smallest_share(HOUR, borders, seconds_per_frame=0.464 / speed, start_up=start_up)
            for borders in (together, alone)
            for start_up in (8.0, 15.0)
        ]
        assert [float(cell) for cell in row.split("|")] == [math.floor(100 * share) / 100 for share in shares]
