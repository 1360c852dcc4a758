"""How many neighboring batches one task takes, from the throughput of the device and the size of the pool.

A task pays its start-up and its warm-up frames once, so it should be long compared with them; but all nodes of the pool
should have work, and a task that has just begun when a node is free should not be what the run waits for. A node that
would start for a few seconds of painting costs more than it saves: once the throughput is measured, it gets no task.
"""

import math
from typing import Final

from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.warm_up import warm_up_frames
from frame_tools.costs.model import Workload
from frame_tools.costs.throughput import Throughput

USEFUL_SHARE: Final = 0.98
"""Share of a task's time that is spent on frames that it delivers, where the pool and the run's length allow it. It
leaves room for devices that are faster than the table says: with one that is five times faster, the share is 0.9."""
LEAST_SHARE: Final = 0.9
"""The same in a run that is too short for the pool, where the throughput is measured: it then uses fewer nodes."""


def useful_share(work: Workload, frames: int) -> float:
    """Return the share of a task's time that is spent on the `frames` that it delivers."""
    delivered = frames * work.seconds_per_frame
    return delivered / (work.overhead_seconds + delivered)


def frames_per_task(work: Workload, share: float = USEFUL_SHARE) -> int:
    """Return the smallest number of frames of a task with this useful share."""
    if not work.seconds_per_frame:
        return work.frames
    return math.ceil(share / (1 - share) * work.overhead_seconds / work.seconds_per_frame)


def task_borders(work: Workload, *, batches: int, at_once: int) -> tuple[int, ...]:
    """Return borders, in batch numbers, of even tasks with the useful share, but of enough for the pool.

    `at_once` is the number of tasks that the pool can execute at once. With more tasks than that, their number is a
    multiple of it, so that the last round is full, too. Where the throughput is measured, there are fewer if they would
    otherwise not have LEAST_SHARE.
    """
    enough = math.ceil(batches / _batches_per_task(work, batches, USEFUL_SHARE))
    count = min(batches, max(1, enough // at_once) * at_once)
    if work.is_measured:
        count = min(count, max(1, batches // _batches_per_task(work, batches, LEAST_SHARE)))
    return tuple(batches * i // count for i in range(count + 1))


def _batches_per_task(work: Workload, batches: int, share: float) -> int:
    """Return the smallest number of batches of a task with this useful share."""
    return max(1, math.ceil(frames_per_task(work, share) / (work.frames / batches)))


def task_count(work: Workload, options: Options, *, batches: int, at_once: int) -> int:
    """Return the number of tasks that a run with these options is divided into."""
    return len(task_borders(work, batches=batches, at_once=at_once)) - 1 if can_share_a_task(options) else batches


def run_workload(frames: int, throughput: Throughput, options: Options) -> Workload:
    """Return the work of a run of this many frames, at this throughput and with these options."""
    return Workload(
        frames=frames,
        seconds_per_frame=throughput.seconds_per_frame,
        start_up_seconds=throughput.start_up_seconds,
        warm_up_frames=warm_up_frames(options.smoothing_weight),
        is_measured=throughput.is_measured,
    )


def can_share_a_task(options: Options) -> bool:
    """Return whether a task may take several batches of a run.

    Not where the throughput is unknown, as that of programs: they may also keep a state from frame to frame, which
    would depend on where a task begins.
    """
    return SCORERS[options.scorer].has_known_throughput
