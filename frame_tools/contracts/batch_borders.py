"""Where batches begin, and which frames represent a run: pure functions of the number of frames and the scene cuts."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS

MAX_SAMPLE: Final = 8
"""Number of frames from which shared statistics are computed."""


def spread_sample(frame_count: int, count: int = MAX_SAMPLE) -> tuple[int, ...]:
    """Return up to `count` distinct frame indices in [0, frame_count): the middles of equal parts."""
    taken = min(count, frame_count)
    return tuple((2 * i + 1) * frame_count // (2 * taken) for i in range(taken))


def even_borders(frame_count: int, frames_per_batch: int) -> tuple[int, ...]:
    """Return borders of the fewest batches of at most `frames_per_batch` that cover [0, frame_count), of equal size.

    Equal batches end at about the same time; a last batch of a single frame would pay for a start-up of its own.
    """
    count = -(-frame_count // frames_per_batch)
    return tuple(frame_count * i // count for i in range(count + 1))


def planned_borders(options: Options, frame_count: int, cuts: Sequence[int]) -> tuple[int, ...]:
    """Return the borders of the batches of a run with these options."""
    per_batch = options.frames_per_batch or SCORERS[options.scorer].frames_per_batch
    return borders_near_cuts(frame_count, per_batch, cuts)


def borders_near_cuts(frame_count: int, frames_per_batch: int, cuts: Sequence[int]) -> tuple[int, ...]:
    """Return even borders, each moved to the nearest scene cut (a scene's first frame) up to a quarter batch away.

    A batch that begins with a scene needs no warm-up frames for temporal smoothing. No batch becomes longer than
    1.25 times the longest even one; a border that would cause that is not moved.
    """
    borders = list(even_borders(frame_count, frames_per_batch))
    count = len(borders) - 1
    reach = frame_count // (4 * count)
    longest = -(-frame_count // count) + reach
    ordered = sorted(cuts)
    for i in range(1, count):
        moved = _nearest(ordered, borders[i], reach)
        if moved - borders[i - 1] <= longest:
            borders[i] = moved
    return tuple(borders)


def _nearest(cuts: Sequence[int], border: int, reach: int) -> int:
    """Return the cut nearest to `border` within `reach` frames (the earlier of two), or `border` itself."""
    around = cuts[bisect_left(cuts, border - reach) : bisect_right(cuts, border + reach)]
    return min(around, key=lambda cut: abs(cut - border), default=border)
