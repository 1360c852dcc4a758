"""At which size a frame is scored, and how the scored frame gets back to the size of the video and looks sharp there.

Enlarging does two things beyond interpolation. What the small frame could not hold of the input's light and dark is
added again, as strongly as painting and input go together there: with the local linear model of the guided filter (K.
He, J. Sun, Fast Guided Filter, https://arxiv.org/abs/1505.00996), which finds that in a flat sky they don't, so that
no grain comes back (nor texture too fine for the small frame altogether). Where the painting goes its own way, the
edges of its strokes are made as steep as the large frame allows, by an unsharp mask held between the darkest and the
lightest of the neighbours, so that no halo appears.
"""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.options import Options
from scoring.postprocess.row_bands import strips
from scoring.types import Picture

Plane: TypeAlias = NDArray[np.float32]
"""One value a pixel, (H, W)."""

Channel: TypeAlias = NDArray[np.uint8]
"""One of the three channels of a picture, (H, W)."""

STYLE_LINES: Final = 720
"""The shorter side at which `style_scale` 1 scores."""
MAX_ENLARGEMENT: Final = 4
"""The most by which a side is enlarged for scoring: beyond, the network paints on blur."""
MAX_SIDE: Final = 8192
MAX_PIXELS: Final = 7680 * 4320
"""Bounds of frames that are enlarged for scoring."""
ALIKE: Final = 16
"""A stroke size that is met to one part in so many is met: resampling for less would only blur."""

_WINDOW: Final = 5
_NOISE: Final = 25.0
"""Variance below which light and dark count as flat, in squared levels."""
_MAX_SLOPE: Final = 1.5
_SHARPENING: Final = 1.0
_BLUR: Final = 0.6
"""Of the unsharp mask, in pixels of the small frame."""


def working_size(width: int, height: int, options: Options) -> tuple[int, int]:
    """Return (width, height) at which a frame of `width` by `height` pixels is scored, of the same shape.

    `size` is the shorter side there; a frame that is smaller is scored as it is. `style_scale` s asks for a shorter
    side of 720 / s, for which frames are enlarged, too: at most 4 times, and within 8K. Options take one of the two.
    """
    shorter = lines = min(width, height)
    if options.size is not None:
        lines = min(options.size, shorter)
    elif options.style_scale is not None:
        lines = _for_strokes(width, height, options.style_scale)
    return _scaled(width, lines, shorter), _scaled(height, lines, shorter)


def _for_strokes(width: int, height: int, style_scale: float) -> int:
    """Return the shorter side for strokes of this size."""
    shorter, longer = sorted((width, height))
    lines = max(1, round(STYLE_LINES / style_scale))
    if abs(lines - shorter) * ALIKE <= shorter:
        return shorter
    if lines < shorter:
        return lines
    by_side = shorter * MAX_SIDE // longer
    by_pixels = int(shorter * (MAX_PIXELS / (shorter * longer)) ** 0.5)
    return max(shorter, min(lines, shorter * MAX_ENLARGEMENT, by_side, by_pixels))


def _scaled(side: int, lines: int, shorter: int) -> int:
    """Return side * lines / shorter, rounded half up, at least 1."""
    return max(1, (2 * side * lines + shorter) // (2 * shorter))


def to_working_size(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resize (H, W, 3) uint8 to `size` (width, height); the picture itself if it has that size."""
    if picture.shape[1::-1] == size:
        return picture
    return _resized(picture, size)


def to_full_size(scored: Picture, picture: Picture) -> Picture:
    """Bring a scored frame, uint8 (h, w, 3), to the size of `picture`, (H, W, 3), of which it was made.

    The scored frame itself if it has that size. One that was scored larger is reduced by averaging.
    """
    if scored.shape == picture.shape:
        return scored
    height, width = picture.shape[:2]
    factor = max(height / scored.shape[0], width / scored.shape[1])
    if factor <= 1:
        return _resized(scored, (width, height))
    full = _resized(scored, (width, height))
    steep = _steep(scored, full, factor)
    detail, strokes = _detail(scored, picture)
    out = np.empty_like(picture)
    for rows in strips(height, width):
        channels = zip(cv2.split(full[rows]), cv2.split(steep[rows]), strict=True)
        out[rows] = cv2.merge([_mixed(plain, sharp, strokes[rows], detail[rows]) for plain, sharp in channels])
    return out


def _mixed(plain: Channel, sharp: Channel, share: Plane, detail: Plane) -> Channel:
    """Go from `plain` to `sharp` by the share of each pixel, and add the detail."""
    change = cv2.multiply(cv2.subtract(sharp, plain, dtype=cv2.CV_32F), share)
    mixed: Channel = cv2.add(plain, cv2.add(change, detail), dtype=cv2.CV_8U)
    return mixed


def _resized(picture: NDArray[np.generic], size: tuple[int, int]) -> Picture:
    """Resize to (width, height): averages where both sides shrink, else a cubic through the pixels."""
    height, width = picture.shape[:2]
    shrinks = size[0] <= width and size[1] <= height
    resized: Picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized


def _steep(scored: Picture, full: Picture, factor: float) -> Picture:
    """Steepen the edges of `full`, which is `scored` enlarged by `factor`."""
    blurred = cv2.GaussianBlur(scored, (3, 3), _BLUR)
    sharp = _resized(cv2.addWeighted(scored, 1 + _SHARPENING, blurred, -_SHARPENING, 0), full.shape[1::-1])
    side = 2 * max(1, round(factor / 2)) + 1
    around = np.ones((side, side), np.uint8)
    steep: Picture = cv2.min(cv2.max(sharp, cv2.erode(full, around)), cv2.dilate(full, around))
    return steep


def _detail(scored: Picture, picture: Picture) -> tuple[Plane, Plane]:
    """Return what to add to the luma of the enlarged frame, in levels, and how much there is the painting's own, 0..1.

    Both are float32 (H, W).
    """
    small, full = scored.shape[1::-1], picture.shape[1::-1]
    luma = _luma(picture)
    small_luma = _resized(luma, small)
    gain, explained = _likeness(small_luma, _luma(scored))
    missing = cv2.subtract(luma, cv2.resize(small_luma, full, interpolation=cv2.INTER_CUBIC))
    detail: Plane = cv2.multiply(missing, cv2.resize(gain * explained, full, interpolation=cv2.INTER_LINEAR))
    strokes: Plane = cv2.resize(1 - explained, full, interpolation=cv2.INTER_LINEAR)
    return detail, strokes


def _likeness(source: Plane, painted: Plane) -> tuple[Plane, Plane]:
    """Return the slope of painted over source around each pixel, and which share of painted it explains, 0..1."""
    mean_s, mean_p = _mean(source), _mean(painted)
    covariance = _mean(source * painted) - mean_s * mean_p
    variance_s = np.maximum(_mean(source * source) - mean_s * mean_s, 0) + _NOISE
    variance_p = np.maximum(_mean(painted * painted) - mean_p * mean_p, 0) + _NOISE
    slope: Plane = np.clip(covariance / variance_s, -_MAX_SLOPE, _MAX_SLOPE)
    explained: Plane = np.minimum(covariance * covariance / (variance_s * variance_p), 1)
    return slope, explained


def _mean(plane: Plane) -> Plane:
    mean: Plane = cv2.blur(plane, (_WINDOW, _WINDOW))
    return mean


def _luma(picture: Picture) -> Plane:
    luma: Plane = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return luma
