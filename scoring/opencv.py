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


def remap_xy(
    image: NDArray[Scalar], x: NDArray[np.float32], y: NDArray[np.float32], interpolation: int
) -> NDArray[Scalar]:
    """Sample an image at `x` and `y`, (h, w) each, in pixels; beyond the border its edge is repeated."""
    sampled = cv2.remap(image, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE)
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


def split(image: NDArray[Scalar]) -> tuple[NDArray[Scalar], ...]:
    """Return the channels of an image, (H, W, C) -> C arrays (H, W)."""
    return tuple(cast("NDArray[Scalar]", channel) for channel in cv2.split(image))


def channel(image: NDArray[Scalar], number: int) -> NDArray[Scalar]:
    """Return one channel of an image, (H, W, C) -> (H, W)."""
    return cast("NDArray[Scalar]", cv2.extractChannel(image, number))


def first_three(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop the last of four channels."""
    return cast("NDArray[np.uint8]", cv2.cvtColor(image, cv2.COLOR_RGBA2RGB))


def invert(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 255 minus each value."""
    return cast("NDArray[np.uint8]", cv2.bitwise_not(image))


def absolute_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return |a - b|."""
    return cast("NDArray[np.uint8]", cv2.absdiff(a, b))


def subtract_saturated(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a - b, at least 0."""
    return cast("NDArray[np.uint8]", cv2.subtract(a, b))


def subtract_to_float(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a - b as float32."""
    return cast("NDArray[np.float32]", cv2.subtract(a, b, dtype=cv2.CV_32F))


def multiply_to_uint8(image: NDArray[np.uint8], factors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return image * factors, rounded and clipped to 0..255."""
    return cast("NDArray[np.uint8]", cv2.multiply(image, factors, dtype=cv2.CV_8U))


def add_to_uint8(image: NDArray[Scalar], change: NDArray[np.float32] | float) -> NDArray[np.uint8]:
    """Return image + change, rounded and clipped to 0..255."""
    addend: Any = change  # OpenCV takes arrays of two types and scalars; its type hints do not say so
    return cast("NDArray[np.uint8]", cv2.add(image, addend, dtype=cv2.CV_8U))


def add_product(
    image: NDArray[np.uint8], a: NDArray[np.float32], b: NDArray[np.float32], *, out: NDArray[np.uint8]
) -> None:
    """Write image + a * b to `out`, with the product of the planes rounded and added to each of three channels."""
    product = cv2.multiply(a, b, dtype=cv2.CV_16S)
    cv2.add(image, cv2.merge((product, product, product)), dst=out, dtype=cv2.CV_8U)


def add_weighted(a: NDArray[np.uint8], a_weight: float, b: NDArray[np.uint8], b_weight: float) -> NDArray[np.uint8]:
    """Return a * a_weight + b * b_weight, rounded and clipped to 0..255."""
    return cast("NDArray[np.uint8]", cv2.addWeighted(a, a_weight, b, b_weight, 0))


def transform(image: NDArray[np.uint8], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Apply an affine map of the channels, (C, C + 1), to each pixel; rounded and clipped to 0..255."""
    return cast("NDArray[np.uint8]", cv2.transform(image, matrix))


def gaussian_blur(image: NDArray[Scalar], size: int, sigma: float) -> NDArray[Scalar]:
    """Blur with a Gaussian kernel of `size` pixels."""
    return cast("NDArray[Scalar]", cv2.GaussianBlur(image, (size, size), sigma))


def local_range(image: NDArray[Scalar], size: int) -> tuple[NDArray[Scalar], NDArray[Scalar]]:
    """Return the minimum and the maximum over a square window of `size` pixels around each pixel."""
    window = np.ones((size, size), np.uint8)
    return cast("NDArray[Scalar]", cv2.erode(image, window)), cast("NDArray[Scalar]", cv2.dilate(image, window))


def gradient(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how fast an image (H, W) changes to the right and downwards, per pixel: Sobel kernels of sum 1."""
    right = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return cast("NDArray[np.float32]", right), cast("NDArray[np.float32]", down)
