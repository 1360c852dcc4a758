"""The share of all tasks' time that is painting, on GPUs of several speeds: at first, and once measured.

`python -m benchmarks.model` prints it. Speeds are multiples of that of two CPU cores at 1920x1080; the first run of a
pool is planned with the throughput table, and later ones with the throughput that was measured.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs.grouping import LEAST_SHARE, run_workload, task_count
from frame_tools.costs.model import Workload
from frame_tools.costs.throughput import device_throughput

SIZE: Final = (1920, 1080)
TWO_CORES: Final = 0.464
"""Seconds per frame of two CPU cores at that size: docs/cost.md."""
SPEEDS: Final = (1, 10, 50)
LENGTHS: Final = (1_800, 18_000, 108_000)
"""Frames of a minute, ten minutes and an hour at 30 per second."""
START_UPS: Final = (8.0, 15.0)
OPTIONS: Final = Options(scorer="any").with_default_strokes


@dataclass(frozen=True, kw_only=True)
class Division:
    """How a run is divided into tasks on a pool."""

    frames: int
    speed: int
    start_up: float
    tasks: int
    share: float
    """Of all tasks' time together."""


def divide(frames: int, speed: int, start_up: float, *, at_once: int, is_measured: bool) -> Division:
    """Return how a run on a GPU of this speed is divided, once its throughput is measured or before."""
    table = device_throughput("gpu", width=SIZE[0], height=SIZE[1], options=OPTIONS)
    guessed = run_workload(frames, table, OPTIONS)
    work = replace(guessed, seconds_per_frame=TWO_CORES / speed, start_up_seconds=start_up, is_measured=True)
    batches = math.ceil(frames / SCORERS[OPTIONS.scorer].frames_per_batch)
    tasks = task_count(work if is_measured else guessed, OPTIONS, batches=batches, at_once=at_once)
    return Division(frames=frames, speed=speed, start_up=start_up, tasks=tasks, share=share_of(work, tasks))


def share_of(work: Workload, tasks: int) -> float:
    """Return the share of the tasks' time that is painting; the first task has no frames before its first one."""
    painting = work.frames * work.seconds_per_frame
    warm_up = (tasks - 1) * work.warm_up_frames * work.seconds_per_frame
    return painting / (painting + warm_up + tasks * work.start_up_seconds)


def divisions(*, at_once: int, is_measured: bool) -> Iterator[Division]:
    """Yield the division of each length, speed and start-up."""
    for frames in LENGTHS:
        for speed in SPEEDS:
            for start_up in START_UPS:
                yield divide(frames, speed, start_up, at_once=at_once, is_measured=is_measured)


def share_table(at_once: int) -> str:
    """Return the shares as a Markdown table."""
    lines = [
        "| frames | speed | start-up | tasks, first run | useful share | tasks, measured | useful share |",
        "|---|---|---|---|---|---|---|",
    ]
    pairs = zip(
        divisions(at_once=at_once, is_measured=False), divisions(at_once=at_once, is_measured=True), strict=True
    )
    for first, later in pairs:
        note = " (too short for more)" if later.share < LEAST_SHARE else ""
        lines.append(
            f"| {first.frames:,} | {first.speed}x | {first.start_up:.0f} s | {first.tasks} | {_floor(first.share)} "
            f"| {later.tasks} | {_floor(later.share)}{note} |"
        )
    return "\n".join(lines)


def _floor(share: float) -> str:
    """Return a share with two digits, rounded down."""
    return f"{math.floor(100 * share) / 100:.2f}"
