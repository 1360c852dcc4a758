"""Transparency beside a picture: the network sees the picture on white; the delivered PNG is transparent again."""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.postprocess.row_bands import strips
from scoring.types import Alpha, Picture

RGBA: TypeAlias = NDArray[np.uint8]
"""A picture with transparency, (H, W, 4), colours not multiplied by alpha, as in PNG."""


def with_alpha(picture: Picture, alpha: Alpha) -> RGBA:
    """Give a picture on white, uint8 (H, W, 3), its transparency back.

    White is taken out of half-clear pixels, or edges would glow on a dark ground: laid on white again, they look as
    before wherever such a colour exists, else as dark as can be. Clear pixels keep the colour that they have.
    """
    out = np.empty((*alpha.shape, 4), np.uint8)
    for rows in strips(*alpha.shape):
        out[rows] = cv2.merge((*cv2.split(_without_white(picture[rows], alpha[rows])), alpha[rows]))
    return out


def _without_white(picture: Picture, alpha: Alpha) -> Picture:
    """Solve picture = color * a + 255 * (1 - a) for the colour."""
    opacity = np.where(alpha == 0, 255, alpha)
    if (opacity == 255).all():
        return picture
    strength = cv2.merge((np.float32(255) / opacity,) * 3)
    darkness = cv2.multiply(cv2.bitwise_not(picture), strength, dtype=cv2.CV_8U)
    color: Picture = cv2.bitwise_not(darkness)
    return color
