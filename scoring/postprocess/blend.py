"""Between the input and the painted frame: where a mask says so, and as strongly as was asked."""

import cv2
import numpy as np

from scoring.postprocess.row_bands import strips
from scoring.types import Mask, Picture


def with_mask(painted: Picture, picture: Picture, mask: Mask) -> Picture:
    """Lay `painted` on `picture`, both uint8 (H, W, 3), where the mask lets it; rounded to the nearest level.

    White gives `painted` exactly, black `picture`.
    """
    out = np.empty_like(picture)
    for rows in strips(*picture.shape[:2]):
        weight = cv2.merge((mask[rows],) * 3)
        # p * m + i * (255 - m) is at most 255^2 and fits 16 bits; the division by 255 is exact, as Blinn did it
        # (Three wrongs make a right, 1995): (x + 128) * 257 / 2^16.
        total = np.multiply(painted[rows], weight, dtype=np.uint16)
        total += np.multiply(picture[rows], cv2.bitwise_not(weight), dtype=np.uint16)
        total += 128
        total += total >> 8
        total >>= 8
        out[rows] = total
    return out


def with_strength(painted: Picture, picture: Picture, strength: float) -> Picture:
    """Return `strength` parts of `painted` and the rest of `picture`; at 1 and 0 one of the two itself."""
    if strength == 1:
        return painted
    if strength == 0:
        return picture
    blended: Picture = cv2.addWeighted(painted, strength, picture, 1 - strength, 0)
    return blended
