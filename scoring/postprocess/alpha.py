"""Transparency: the network sees the picture on white; the delivered PNG is transparent again."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scoring.opencv import invert, merge, multiply_to_uint8, split
from scoring.postprocess.row_bands import row_bands
from scoring.types import Alpha, Picture

RGBA: TypeAlias = NDArray[np.uint8]
"""A picture with transparency, (H, W, 4), with colors not premultiplied by alpha, as in PNG."""


def with_alpha(picture: Picture, alpha: Alpha) -> RGBA:
    """Add the transparency `alpha` to a picture that was blended with white, uint8 (H, W, 3).

    White is removed from semi-transparent pixels; otherwise edges would glow on a dark background. Blended with white
    again, they look as before wherever such a color exists, and as dark as possible elsewhere. Fully transparent
    pixels keep their color.
    """
    out = np.empty((*alpha.shape, 4), np.uint8)
    for rows in row_bands(*alpha.shape):
        out[rows] = merge(*split(_without_white(picture[rows], alpha[rows])), alpha[rows])
    return out


def _without_white(picture: Picture, alpha: Alpha) -> Picture:
    """Solve picture = color * a + 255 * (1 - a) for the color."""
    opacity = np.where(alpha == 0, np.uint8(255), alpha)
    if (opacity == 255).all():
        return picture
    gain = np.float32(255) / opacity.astype(np.float32)
    return invert(multiply_to_uint8(invert(picture), merge(gain, gain, gain)))
