"""The video's colours on a painted frame: its chroma, pixel by pixel, or its mean and spread of colours.

Luma is that of BT.601 (0.299 R + 0.587 G + 0.114 B), as in L. Gatys and others, Preserving Color in Neural Artistic
Style Transfer (https://arxiv.org/abs/1606.05897), and in the JPEG files that frames come and go in. The chroma that is
kept, R - Y, G - Y and B - Y of the input, is the chroma of every matrix: each is a sum of differences of channels.
"""

import math
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.postprocess.row_bands import strips
from scoring.types import Picture

Plane: TypeAlias = NDArray[np.float32]
"""One value a pixel, (H, W)."""

Channels: TypeAlias = tuple[Plane, Plane, Plane]
"""Red, green and blue, in levels."""

Colors: TypeAlias = NDArray[np.float64]
"""A mean colour, (3,), or a covariance of colours, (3, 3); in levels."""

MAX_GAIN: Final = 4.0
"""The most by which a spread of colours is widened: a flat painting has no contrast to give, only noise."""
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
_FLAT: Final = 1.0
"""Variance, in squared levels, below which a spread of colours is only rounding."""
_SMALLEST: Final = 1e-3


def keep_luma(painted: Picture, picture: Picture) -> Picture:
    """Give the luma of `painted` the chroma of `picture`, both uint8 (H, W, 3).

    Luma is kept within a level. Where chroma as strong as the input's can't be shown in that light, it is weaker, of
    the same hue.
    """
    out = np.empty_like(picture)
    for rows in strips(*picture.shape[:2]):
        out[rows] = _with_luma(_channels(picture[rows]), _luma(_channels(painted[rows])))
    return out


def _with_luma(channels: Channels, luma: Plane) -> Picture:
    own = _luma(channels)
    above = np.maximum(np.maximum(*channels[:2]), channels[2]) - own
    below = own - np.minimum(np.minimum(*channels[:2]), channels[2])
    room_above = (255 - luma) / np.maximum(above, _SMALLEST)
    room_below = luma / np.maximum(below, _SMALLEST)
    share = np.minimum(np.minimum(room_above, room_below), 1)
    shifted = [cv2.add(cv2.multiply(cv2.subtract(channel, own), share), luma) for channel in channels]
    merged: Picture = cv2.merge([cv2.add(channel, 0.0, dtype=cv2.CV_8U) for channel in shifted])
    return merged


def _channels(picture: Picture) -> Channels:
    red, green, blue = (channel.astype(np.float32) for channel in cv2.split(picture))
    return red, green, blue


def _luma(channels: Channels) -> Plane:
    luma: Plane = sum((weight * channel for weight, channel in zip(_LUMA, channels, strict=True)), np.float32(0))
    return luma


def match_statistics(painted: Picture, picture: Picture) -> Picture:
    """Give `painted` the mean and the covariance of the colours of `picture`, both uint8 (H, W, 3).

    The map is linear, and of all such maps the one that moves colours least (F. Pitie and A. Kokaram, The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer, 2007). What leaves 0..255 is cut off.
    All pixels count, so it varies from frame to frame only as the frames do.
    """
    mean_from, spread_from = moments(painted)
    mean_to, spread_to = moments(picture)
    matrix = _least_move(spread_from, spread_to)
    offset = mean_to - matrix @ mean_from
    matched: Picture = cv2.transform(painted, np.column_stack((matrix, offset)))
    return matched


def moments(picture: Picture) -> tuple[Colors, Colors]:
    """Return mean and covariance of the colours of (H, W, 3) uint8.

    The sums are sums of integers below 2^53, so their order does not show in them.
    """
    channels = cv2.split(picture)
    count = channels[0].size
    mean = np.array([cv2.sumElems(channel)[0] for channel in channels]) / count
    squares = [_squares(channel) for channel in channels]
    products = np.diag(np.array(squares))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        between = _squares(cv2.absdiff(channels[i], channels[j]))
        products[i, j] = products[j, i] = (squares[i] + squares[j] - between) / 2
    return mean, products / count - np.outer(mean, mean)


def _squares(channel: NDArray[np.uint8]) -> float:
    """Return the sum of squares, exactly."""
    return float(sum(cv2.norm(channel[rows], cv2.NORM_L2SQR) for rows in strips(*channel.shape)))


def _least_move(source: Colors, target: Colors) -> Colors:
    """Return the symmetric (3, 3) map that turns the covariance `source` into `target`, its gains limited."""
    noise = _FLAT * np.eye(3)
    root = _power(source + noise, 0.5)
    inverse = _power(source + noise, -0.5)
    matrix = inverse @ _power(root @ (target + noise) @ root, 0.5) @ inverse
    gains, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    limited: Colors = (axes * np.minimum(gains, MAX_GAIN)) @ axes.T
    return limited


def _power(matrix: Colors, exponent: float) -> Colors:
    """Return a power of a symmetric matrix without negative eigenvalues."""
    values, axes = np.linalg.eigh(matrix)
    power: Colors = (axes * np.maximum(values, math.ulp(1.0)) ** exponent) @ axes.T
    return power
