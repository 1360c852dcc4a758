"""Resize a frame for the scorer, and bring the scored frame back to the size of the video."""

import cv2
from numpy.typing import NDArray

from scoring import opencv
from scoring.postprocess.guided_upscaling import upscaled
from scoring.types import Alpha, Picture


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

    Returns the scored frame itself if it has that size. A smaller one gets the input's edges and detail (see
    `guided_upscaling`); one that was scored larger is reduced by averaging.
    """
    if scored.shape == picture.shape:
        return scored
    height, width = picture.shape[:2]
    if height <= scored.shape[0] and width <= scored.shape[1]:
        return _resize(scored, (width, height))
    return upscaled(scored, picture)


def _resize(image: NDArray[opencv.Scalar], size: tuple[int, int]) -> NDArray[opencv.Scalar]:
    """Resize to (width, height): area averages where both sides shrink, else bicubic interpolation."""
    height, width = image.shape[:2]
    shrinks = size[0] <= width and size[1] <= height
    return opencv.resize(image, *size, cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
