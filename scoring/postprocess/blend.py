"""Blend the painted frame with the input: by a mask and by strength."""

import numpy as np

from scoring.opencv import add_weighted, invert, merge
from scoring.postprocess.row_bands import row_bands
from scoring.types import Mask, Picture


def with_mask(painted: Picture, picture: Picture, mask: Mask) -> Picture:
    """Blend `painted` over `picture`, both uint8 (H, W, 3), by `mask`; rounded to the nearest level.

    White gives exactly `painted`, black exactly `picture`.
    """
    out = np.empty_like(picture)
    for rows in row_bands(*picture.shape[:2]):
        weight = merge(mask[rows], mask[rows], mask[rows])
        # p * m + i * (255 - m) is at most 255^2 and fits 16 bits; the division by 255 is exact, after Blinn
        # (Three wrongs make a right, 1995): (x + 128) * 257 / 2^16.
        total = np.multiply(painted[rows], weight, dtype=np.uint16)
        total += np.multiply(picture[rows], invert(weight), dtype=np.uint16)
        total += 128
        total += total >> 8
        total >>= 8
        out[rows] = total
    return out


def with_strength(painted: Picture, picture: Picture, strength: float) -> Picture:
    """Return strength * painted + (1 - strength) * picture; at 1 and 0 one of the two arrays itself."""
    if strength == 1:
        return painted
    if strength == 0:
        return picture
    return add_weighted(painted, strength, picture, 1 - strength)
