"""Enlarge a scored frame to the size of its input, with the edges and the fine detail of the input.

The small frame and the small input know where an edge runs to within a pixel; the input at full size knows exactly. So
each pixel takes its color from a place up to 0.8 small pixels away, where the enlarged small luma is what the input's
luma is here: one step of Newton's method along the gradient, which puts painted edges on the edges of the input. The
edges of brush strokes, which the input does not have, become narrower in the same way: pixels take their color from
farther away from the edge. Colors only move, so neither makes halos.

Luma that is still missing then (lines and textures finer than a small pixel) is added in proportion to the correlation
of painting and input around the pixel: the local linear model of the guided filter (K. He, J. Sun, Fast Guided Filter,
https://arxiv.org/abs/1505.00996). In a flat sky they are not correlated, so no grain returns.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring import opencv
from scoring.postprocess.row_bands import row_bands
from scoring.types import Picture

Plane: TypeAlias = NDArray[np.float32]
"""One value per pixel, (H, W)."""

FLAT_SLOPE: Final = 16.0
"""Levels per small pixel: where the input's luma changes less, pixels hardly move, so that grain moves nothing."""
FLAT_STROKE_SLOPE: Final = 8.0
"""The same for the painted luma, which has no grain."""
MAX_MOVE: Final = 0.8
"""Small pixels, horizontally and vertically, by which the input may move a pixel."""
MAX_STROKE_MOVE: Final = 0.5
"""Small pixels by which a stroke's own edge may move a pixel."""
STROKE_SIGMA: Final = 0.6
"""Small pixels: blur against which the edges of strokes are found."""
WINDOW: Final = 5
"""Small pixels: side of the window of the local linear model."""
FLAT_VARIANCE: Final = 25.0
"""Squared levels: luma variance below which a window counts as flat."""
MAX_SLOPE: Final = 1.5


@dataclass(frozen=True)
class _Guide:
    """How to move and complete each pixel: planes of one size."""

    pull_x: Plane
    """Pixels of the large frame to move for each level of luma that the small frame lacks."""
    pull_y: Plane
    stroke_x: Plane
    """Pixels of the large frame to move besides, away from the edge of a stroke."""
    stroke_y: Plane
    detail: Plane
    """Share of the luma still missing that is added, at most MAX_SLOPE either way."""

    def enlarged(self, width: int, height: int) -> "_Guide":
        planes = (self.pull_x, self.pull_y, self.stroke_x, self.stroke_y, self.detail)
        return _Guide(*(opencv.resize(plane, width, height, cv2.INTER_LINEAR) for plane in planes))


def upscaled(scored: Picture, picture: Picture) -> Picture:
    """Enlarge `scored`, uint8 (h, w, 3), to the size of its input `picture`, (H, W, 3), larger at one side at least."""
    height, width = picture.shape[:2]
    small_height, small_width = scored.shape[:2]
    factors = width / small_width, height / small_height
    luma = opencv.to_gray(picture)
    small_luma = opencv.resize(luma, small_width, small_height, cv2.INTER_AREA)
    guide = _guide(scored, small_luma, factors).enlarged(width, height)
    # Luma is the fourth channel because it is needed in the same places; OpenCV moves four twice as fast as three.
    source = opencv.resize(opencv.merge(*opencv.split(scored), small_luma), width, height, cv2.INTER_CUBIC)
    limits = MAX_MOVE * factors[0], MAX_MOVE * factors[1]
    columns, lines = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    out = np.empty_like(picture)
    for rows in row_bands(height, width):
        missing = opencv.subtract_to_float(luma[rows], opencv.channel(source[rows], 3))
        x = _places(guide.pull_x[rows], guide.stroke_x[rows], missing, limits[0], columns)
        y = _places(guide.pull_y[rows], guide.stroke_y[rows], missing, limits[1], lines[rows])
        moved = opencv.remap_xy(source, x, y, cv2.INTER_LINEAR)
        still_missing = opencv.subtract_to_float(luma[rows], opencv.channel(moved, 3))
        opencv.add_product(opencv.first_three(moved), still_missing, guide.detail[rows], out=out[rows])
    return out


def _places(pull: Plane, stroke: Plane, missing: Plane, limit: float, own: Plane) -> Plane:
    """Return one coordinate of where each pixel takes its color from; `own` is its own. Overwrites `pull`."""
    np.multiply(pull, missing, out=pull)
    np.clip(pull, -limit, limit, out=pull)
    pull += stroke
    pull += own
    return pull


def _guide(scored: Picture, luma: NDArray[np.uint8], factors: tuple[float, float]) -> _Guide:
    """Return the guide at the size of `scored`; `luma`, uint8 (h, w), is that of the small input."""
    source, painted = luma.astype(np.float32), opencv.to_gray(scored).astype(np.float32)
    pull_x, pull_y = _steps(source, FLAT_SLOPE)
    stroke_x, stroke_y = _steps(painted, FLAT_STROKE_SLOPE)
    edge = painted - opencv.gaussian_blur(painted, 5, STROKE_SIGMA)
    for stroke in (stroke_x, stroke_y):
        stroke *= edge
        np.clip(stroke, -MAX_STROKE_MOVE, MAX_STROKE_MOVE, out=stroke)
    for plane in (pull_x, stroke_x):
        plane *= np.float32(factors[0])
    for plane in (pull_y, stroke_y):
        plane *= np.float32(factors[1])
    return _Guide(pull_x, pull_y, stroke_x, stroke_y, _detail(source, painted))


def _steps(plane: Plane, flat_slope: float) -> tuple[Plane, Plane]:
    """Return how far to go, right and down, for one level more: the gradient over its square, less where it is flat."""
    x, y = opencv.gradient(plane)
    squares: Plane = x * x + y * y + np.float32(flat_slope**2)
    return np.divide(x, squares), np.divide(y, squares)


def _detail(source: Plane, painted: Plane) -> Plane:
    """Return the slope of `painted` over `source` around each pixel, times their squared correlation."""
    source_mean, painted_mean = opencv.blur(source, WINDOW), opencv.blur(painted, WINDOW)
    covariance = opencv.blur(source * painted, WINDOW) - source_mean * painted_mean
    source_variance = _variance(source, source_mean) + FLAT_VARIANCE
    painted_variance = _variance(painted, painted_mean) + FLAT_VARIANCE
    slope: Plane = np.clip(covariance / source_variance, -MAX_SLOPE, MAX_SLOPE)
    correlation: Plane = np.minimum(covariance * covariance / (source_variance * painted_variance), 1)
    return slope * correlation


def _variance(plane: Plane, mean: Plane) -> Plane:
    return np.maximum(opencv.blur(plane * plane, WINDOW) - mean * mean, 0)
