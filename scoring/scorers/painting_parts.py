"""Parts of a painting that together show all of it.

The style predictor was trained on squares, and the features of a long picture need much memory. A longer painting is
measured in several parts, and the measurements are averaged: no part of the picture is left out, and none is
squeezed.
"""

import math
from typing import Final

import numpy as np

from scoring.types import Picture

MAX_PARTS: Final = 32
"""Longer paintings have gaps between their parts."""


def covering_parts(painting: Picture, aspect: int = 1) -> list[Picture]:
    """Return as few parts of (H, W, 3) as cover it, at most `MAX_PARTS`, evenly spread along the longer side.

    Each has the painting's shorter side, and along the longer one at most `aspect` times that.
    """
    height, width = painting.shape[:2]
    shorter, longer = sorted((height, width))
    length = min(longer, aspect * shorter)
    count = min(math.ceil(longer / length), MAX_PARTS)
    starts = [(longer - length) * i // max(count - 1, 1) for i in range(count)]
    along = painting if height >= width else painting.swapaxes(0, 1)
    parts = [along[start : start + length] for start in starts]
    return [np.ascontiguousarray(part if height >= width else part.swapaxes(0, 1)) for part in parts]
