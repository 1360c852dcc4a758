"""The frames that temporal smoothing needs before the first one that is delivered."""

import math
from typing import Final

WARM_UP_THRESHOLD: Final = 1 / 32
"""Remaining weight, at the end of a warm-up, of the frame that it starts with. Measured: the mean difference to a run
in one piece is then about one gray level or less, a quarter of a step between smoothed frames."""


def warm_up_frames(weight: float) -> int:
    """Return the number of frames to score before a task's first one, so that its border is invisible.

    `weight` is that of the previous output frame, 0 to 1.
    """
    return math.ceil(math.log(WARM_UP_THRESHOLD) / math.log(weight)) if weight > 0 else 0
