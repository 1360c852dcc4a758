"""OpenCV functions whose results keep the dtype of their input; OpenCV's own type hints lose it."""

from typing import Any, Final, TypeAlias, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", np.uint8, np.float32)

Vectors: TypeAlias = NDArray[np.float32]
"""Vectors (h, w, 2), x before y."""

_NO_SECOND_MAP: Final[Any] = None  # OpenCV accepts None beside a map of two channels; its type hints do not say so


def resize(image: NDArray[Scalar], width: int, height: int, interpolation: int) -> NDArray[Scalar]:
    """Scale an image, (H, W) or (H, W, C), to (height, width)."""
    return cast("NDArray[Scalar]", cv2.resize(image, (width, height), interpolation=interpolation))


def remap(image: NDArray[Scalar], positions: NDArray[np.float32], interpolation: int) -> NDArray[Scalar]:
    """Sample an image at `positions`, (h, w, 2) with x before y, in pixels; beyond the border its edge is repeated."""
    sampled = cv2.remap(image, positions, _NO_SECOND_MAP, interpolation, borderMode=cv2.BORDER_REPLICATE)
    return cast("NDArray[Scalar]", sampled)


def blur(image: NDArray[Scalar], size: int) -> NDArray[Scalar]:
    """Return the mean over a square window of `size` pixels around each pixel."""
    return cast("NDArray[Scalar]", cv2.blur(image, (size, size)))


def merge(*channels: NDArray[Scalar]) -> NDArray[Scalar]:
    """Join channels, (H, W) each, into (H, W, C)."""
    return cast("NDArray[Scalar]", cv2.merge(channels))


def to_gray(picture: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the luma of a picture, (H, W, 3) RGB -> (H, W)."""
    return cast("NDArray[Scalar]", cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def laplacian(image: NDArray[Scalar]) -> NDArray[np.float32]:
    """Return the Laplacian of each channel, in float32."""
    return cast("NDArray[np.float32]", cv2.Laplacian(image, cv2.CV_32F))


def split_xy(vectors: Vectors) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the x and y components of vectors, (h, w) each."""
    x, y = cast("tuple[NDArray[np.float32], NDArray[np.float32]]", cv2.split(vectors))
    return x, y


def scale_xy(vectors: Vectors, x: float, y: float) -> Vectors:
    """Multiply the components of vectors by `x` and `y`."""
    factors: Any = (x, y, 1, 1)  # a scalar of OpenCV, which its type hints do not accept here
    return cast("Vectors", cv2.multiply(vectors, factors))
