"""Restore the colors of the video on a painted frame: its chroma per pixel, or its color statistics.

Luma is that of BT.601 (0.299 R + 0.587 G + 0.114 B), as in L. Gatys and others, Preserving Color in Neural Artistic
Style Transfer (https://arxiv.org/abs/1606.05897), and in JPEG files. The preserved chroma, R - Y, G - Y and B - Y of
the input, covers every color matrix: the chroma of each is a linear combination of channel differences.
"""

import math
from typing import Final, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.opencv import absolute_difference, add_to_uint8, merge, split, transform
from scoring.postprocess.row_bands import row_bands
from scoring.types import Picture

Plane: TypeAlias = NDArray[np.float32]
"""One value per pixel, (H, W)."""

Channels: TypeAlias = tuple[Plane, Plane, Plane]
"""Red, green and blue, 0..255."""

Colors: TypeAlias = NDArray[np.float64]
"""A mean color, (3,), or a covariance of colors, (3, 3), of levels 0..255."""

MAX_GAIN: Final = 4.0
"""Maximum gain of the color spread: a flat painting has no contrast to amplify, only noise."""
_RED_WEIGHT, _GREEN_WEIGHT, _BLUE_WEIGHT = np.float32(0.299), np.float32(0.587), np.float32(0.114)
_ROUNDING_VARIANCE: Final = 1.0
"""Squared levels: variance below which a color spread is only rounding."""
_MIN_CHROMA: Final = 1e-3


def keep_luma(painted: Picture, picture: Picture) -> Picture:
    """Combine the luma of `painted` with the chroma of `picture`, both uint8 (H, W, 3).

    Luma is kept within one level. Where the input's chroma is out of gamut at that luma, it is reduced; the hue stays.
    """
    out = np.empty_like(picture)
    for rows in row_bands(*picture.shape[:2]):
        out[rows] = _with_luma(_channels(picture[rows]), _luma(_channels(painted[rows])))
    return out


def _with_luma(channels: Channels, luma: Plane) -> Picture:
    own_luma = _luma(channels)
    above = np.maximum(np.maximum(*channels[:2]), channels[2]) - own_luma
    below = own_luma - np.minimum(np.minimum(*channels[:2]), channels[2])
    room_above = (255 - luma) / np.maximum(above, _MIN_CHROMA)
    room_below = luma / np.maximum(below, _MIN_CHROMA)
    saturation = np.minimum(np.minimum(room_above, room_below), 1)
    return merge(*(add_to_uint8((channel - own_luma) * saturation + luma, 0.0) for channel in channels))


def _channels(picture: Picture) -> Channels:
    red, green, blue = (channel.astype(np.float32) for channel in split(picture))
    return red, green, blue


def _luma(channels: Channels) -> Plane:
    red, green, blue = channels
    return cast("Plane", _RED_WEIGHT * red + _GREEN_WEIGHT * green + _BLUE_WEIGHT * blue)


def match_statistics(painted: Picture, picture: Picture) -> Picture:
    """Give `painted` the color mean and covariance of `picture`, both uint8 (H, W, 3).

    The map is linear, and of all such maps the one that moves colors least (F. Pitie and A. Kokaram, The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer, 2007). The result is clipped to 0..255.
    All pixels count, so the map varies from frame to frame only as much as the frames do.
    """
    painted_mean, painted_covariance = color_statistics(painted)
    mean, covariance = color_statistics(picture)
    matrix = _monge_kantorovich_map(painted_covariance, covariance)
    offset = mean - matrix @ painted_mean
    return transform(painted, np.column_stack((matrix, offset)))


def color_statistics(picture: Picture) -> tuple[Colors, Colors]:
    """Return mean and covariance of the colors of (H, W, 3) uint8.

    The sums are sums of integers below 2^53, so the result does not depend on their order.
    """
    channels = split(picture)
    count = channels[0].size
    mean = np.array([cv2.sumElems(channel)[0] for channel in channels]) / count
    squares = [_sum_of_squares(channel) for channel in channels]
    products = np.diag(np.array(squares))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        difference = _sum_of_squares(absolute_difference(channels[i], channels[j]))
        products[i, j] = products[j, i] = (squares[i] + squares[j] - difference) / 2
    return mean, products / count - np.outer(mean, mean)


def _sum_of_squares(channel: NDArray[np.uint8]) -> float:
    """Return the exact sum of squares."""
    return float(sum(cv2.norm(channel[rows], cv2.NORM_L2SQR) for rows in row_bands(*channel.shape)))


def _monge_kantorovich_map(source: Colors, target: Colors) -> Colors:
    """Return the symmetric (3, 3) map that turns the covariance `source` into `target`, with limited gains."""
    noise = _ROUNDING_VARIANCE * np.eye(3)
    root = _matrix_power(source + noise, 0.5)
    inverse_root = _matrix_power(source + noise, -0.5)
    matrix = inverse_root @ _matrix_power(root @ (target + noise) @ root, 0.5) @ inverse_root
    gains, axes = np.linalg.eigh((matrix + matrix.T) / 2)
    return cast("Colors", (axes * np.minimum(gains, MAX_GAIN)) @ axes.T)


def _matrix_power(matrix: Colors, exponent: float) -> Colors:
    """Return a power of a symmetric positive semidefinite matrix."""
    values, axes = np.linalg.eigh(matrix)
    return cast("Colors", (axes * np.maximum(values, math.ulp(1.0)) ** exponent) @ axes.T)
