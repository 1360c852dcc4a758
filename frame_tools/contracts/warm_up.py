"""The frames that temporal smoothing needs before the first one that is delivered."""

import math
from typing import Final

WARM_UP_THRESHOLD: Final = 1 / 32
"""Remaining weight, at the end of a warm-up, of the frame that it starts with. Measured: the mean difference to a run
in one piece is then about half a gray level or less."""
ANCHOR_INTERVAL: Final = 1.5
"""Frames from an anchor frame to the next one where frames before have no weight; it grows as averaging does, by
1 / (1 - weight). Chosen on the clips of docs/steadiness.md."""


def anchor_interval(weight: float) -> int:
    """Return the number of frames from one anchor frame of temporal smoothing to the next, at least 2.

    `weight` is that of the previous output frame, 0 to 0.9.
    """
    return math.floor(ANCHOR_INTERVAL / (1 - weight) + 0.5)


def warm_up_frames(weight: float) -> int:
    """Return the number of frames to score before a task's first one, so that its border is invisible.

    They are enough for the average and for two anchor frames. `weight` is that of the previous output frame, 0 to 0.9.
    """
    if weight <= 0:
        return 0
    return max(math.ceil(math.log(WARM_UP_THRESHOLD) / math.log(weight)), 2 * anchor_interval(weight))
