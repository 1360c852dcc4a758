"""Resize a frame for the scorer, and bring the scored frame back to the size of the video.

Upscaling does two things beyond interpolation. Where painting and input are correlated, luma detail of the input that
the small frame could not hold is added again, in proportion to the correlation: the local linear model of the guided
filter (K. He, J. Sun, Fast Guided Filter, https://arxiv.org/abs/1505.00996). In a flat sky they are not correlated, so
no grain returns (nor texture too fine for the small frame). Elsewhere the edges of brush strokes are sharpened by an
unsharp mask, which is clamped to the local minimum and maximum, so that no halo appears.
"""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring import opencv
from scoring.postprocess.row_bands import row_bands
from scoring.types import Alpha, Picture

Plane: TypeAlias = NDArray[np.float32]
"""One value per pixel, (H, W)."""

Channel: TypeAlias = NDArray[np.uint8]
"""One of the three channels of a picture, (H, W)."""

_WINDOW: Final = 5
_FLAT_VARIANCE: Final = 25.0
"""Squared levels: luma variance below which a window counts as flat."""
_MAX_SLOPE: Final = 1.5
_SHARPENING: Final = 1.0
_BLUR_SIGMA: Final = 0.6
"""Of the unsharp mask, in pixels of the small frame."""


def to_working_size(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resize (H, W, 3) uint8 to `size` (width, height); returns the picture itself if it has that size."""
    if picture.shape[1::-1] == size:
        return picture
    return _resize(picture, size)


def enlarge(picture: Picture, scale: int) -> Picture:
    """Enlarge (H, W, 3) uint8 to `scale` times its size, bicubic; returns the picture itself for 1."""
    height, width = picture.shape[:2]
    return to_working_size(picture, (width * scale, height * scale))


def enlarge_alpha(alpha: Alpha, scale: int) -> Alpha:
    """Enlarge opacity, (H, W) uint8, to `scale` times its size: linear, so that edges of transparency get no halo."""
    height, width = alpha.shape
    return alpha if scale == 1 else opencv.resize(alpha, width * scale, height * scale, cv2.INTER_LINEAR)


def to_full_size(scored: Picture, picture: Picture) -> Picture:
    """Resize a scored frame, uint8 (h, w, 3), to the size of its input `picture`, (H, W, 3), which may be enlarged.

    Returns the scored frame itself if it has that size. A frame that was scored larger is reduced by averaging.
    """
    if scored.shape == picture.shape:
        return scored
    height, width = picture.shape[:2]
    factor = max(height / scored.shape[0], width / scored.shape[1])
    if factor <= 1:
        return _resize(scored, (width, height))
    full = _resize(scored, (width, height))
    sharpened = _sharpened(scored, full, factor)
    detail, sharpness = _detail_and_sharpness(scored, picture)
    out = np.empty_like(picture)
    for rows in row_bands(height, width):
        channels = zip(opencv.split(full[rows]), opencv.split(sharpened[rows]), strict=True)
        out[rows] = opencv.merge(*(_mix(plain, sharp, sharpness[rows], detail[rows]) for plain, sharp in channels))
    return out


def _mix(plain: Channel, sharp: Channel, sharpness: Plane, detail: Plane) -> Channel:
    """Return plain + sharpness * (sharp - plain) + detail."""
    return opencv.add_to_uint8(plain, opencv.subtract_to_float(sharp, plain) * sharpness + detail)


def _resize(image: NDArray[opencv.Scalar], size: tuple[int, int]) -> NDArray[opencv.Scalar]:
    """Resize to (width, height): area averages where both sides shrink, else bicubic interpolation."""
    height, width = image.shape[:2]
    shrinks = size[0] <= width and size[1] <= height
    return opencv.resize(image, *size, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _sharpened(scored: Picture, full: Picture, factor: float) -> Picture:
    """Sharpen the edges of `full`, which is `scored` enlarged by `factor`."""
    blurred = opencv.gaussian_blur(scored, 3, _BLUR_SIGMA)
    sharp = _resize(opencv.add_weighted(scored, 1 + _SHARPENING, blurred, -_SHARPENING), (full.shape[1], full.shape[0]))
    side = 2 * max(1, round(factor / 2)) + 1
    return opencv.clamp(sharp, *opencv.local_range(full, side))


def _detail_and_sharpness(scored: Picture, picture: Picture) -> tuple[Plane, Plane]:
    """Return the luma detail to add to the enlarged frame, in levels, and how much to sharpen each pixel, 0..1.

    Both are float32 (H, W).
    """
    height, width = picture.shape[:2]
    luma = _luma(picture)
    small_luma = _resize(luma, (scored.shape[1], scored.shape[0]))
    slope, correlation = _local_regression(small_luma, _luma(scored))
    missing = luma - opencv.resize(small_luma, width, height, cv2.INTER_CUBIC)
    detail = missing * opencv.resize(slope * correlation, width, height, cv2.INTER_LINEAR)
    return detail, opencv.resize(1 - correlation, width, height, cv2.INTER_LINEAR)


def _local_regression(source: Plane, painted: Plane) -> tuple[Plane, Plane]:
    """Return the slope of `painted` over `source` around each pixel, and the squared correlation, 0..1."""
    source_mean, painted_mean = opencv.blur(source, _WINDOW), opencv.blur(painted, _WINDOW)
    covariance = opencv.blur(source * painted, _WINDOW) - source_mean * painted_mean
    source_variance = _variance(source, source_mean) + _FLAT_VARIANCE
    painted_variance = _variance(painted, painted_mean) + _FLAT_VARIANCE
    slope = np.clip(covariance / source_variance, -_MAX_SLOPE, _MAX_SLOPE)
    return slope, np.minimum(covariance * covariance / (source_variance * painted_variance), 1)


def _variance(plane: Plane, mean: Plane) -> Plane:
    return np.maximum(opencv.blur(plane * plane, _WINDOW) - mean * mean, 0)


def _luma(picture: Picture) -> Plane:
    return opencv.to_gray(picture).astype(np.float32)
