"""Training pictures as cameras and codecs spoil them: noise, JPEG and H.264, banding, softness; and smooth gradients.

Pictures are (H, W, 3) uint8 RGB with even sides; the random generator alone decides what is done.
"""

import random
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from frame_tools.media.compressed_picture import through_h264
from scoring.types import Picture


def disturb(picture: Picture, rng: random.Random) -> Picture:
    """Return the picture with one or two disturbances of `DISTURBANCES`, drawn at random."""
    for apply in rng.sample(DISTURBANCES, rng.choice((1, 1, 2))):
        picture = np.ascontiguousarray(apply(picture, rng))
    return picture


def add_noise(picture: Picture, rng: random.Random) -> Picture:
    """Add Gaussian noise of 1 to 5 gray levels, half the time in grains larger than a pixel."""
    generator = np.random.default_rng(rng.getrandbits(32))
    noise = generator.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(1, 5))
    if rng.random() < 0.5:
        noise = 2 * np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 1.2)), np.float32)
    return _to_levels(picture + noise)


def compress_as_jpeg(picture: Picture, rng: random.Random) -> Picture:
    """Compress as JPEG of a quality between 20 and 70."""
    options = [cv2.IMWRITE_JPEG_QUALITY, rng.randint(20, 70)]
    encoded = cv2.imencode(".jpg", picture[..., ::-1], options)[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None  # noqa: S101 - OpenCV wrote it
    return np.asarray(decoded[..., ::-1], np.uint8)


def compress_as_h264(picture: Picture, rng: random.Random) -> Picture:
    """Compress as a frame of H.264 with a constant rate factor between 26 and 42."""
    height, width = picture.shape[:2]
    decoded = through_h264(picture.tobytes(), width, height, crf=rng.randint(26, 42))
    return np.frombuffer(decoded, np.uint8).reshape(picture.shape).copy()


def reduce_levels(picture: Picture, rng: random.Random) -> Picture:
    """Round to multiples of 4, 6 or 8 gray levels, which turns gradients into bands."""
    step = rng.choice((4, 6, 8))
    return _to_levels(np.rint(picture / np.float32(step)) * step)


def soften(picture: Picture, rng: random.Random) -> Picture:
    """Blur by 0.4 to 0.9 pixels, like a lens or a scaler."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 0.9)), np.uint8)


DISTURBANCES: Final[tuple[Callable[[Picture, random.Random], Picture], ...]] = (
    add_noise,
    add_noise,  # twice as often as the others
    compress_as_jpeg,
    compress_as_h264,
    reduce_levels,
    soften,
)


def gradient(side: int, rng: random.Random) -> Picture:
    """Return a smooth gradient between four to nine colors, from almost even to full of contrast, (side, side, 3)."""
    generator = np.random.default_rng(rng.getrandbits(32))
    colors = generator.uniform(20, 235, (rng.choice((2, 3)), rng.choice((2, 3)), 3)).astype(np.float32)
    mean = colors.mean((0, 1))
    colors = mean + (colors - mean) * np.float32(rng.uniform(0.05, 1))
    return _to_levels(cv2.resize(colors, (side, side), interpolation=cv2.INTER_CUBIC))


def _to_levels(picture: np.ndarray) -> Picture:
    return np.asarray(np.clip(np.rint(picture), 0, 255), np.uint8)
