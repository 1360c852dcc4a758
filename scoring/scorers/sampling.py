"""The pictures that a run's statistics are measured on: its sample frames, and a reference picture."""

import random
from typing import Final

import numpy as np

from scoring.perception.dead_leaves import dead_leaves
from scoring.types import Picture

SAMPLE_PIXELS: Final = 8 * 1920 * 1080
"""Maximum number of pixels in all sample frames together: they pass through the network at once."""

REFERENCE_SIDE: Final = 256
"""Pixels: side of the drawn picture that is repeated to the size of the frames."""


def reference_tile() -> Picture:
    """Return a square picture with the statistics of a natural one; always the same."""
    return dead_leaves(REFERENCE_SIDE, random.Random(0))  # noqa: S311 - not for security


def repeated(tile: Picture, height: int, width: int) -> Picture:
    """Return a picture (height, width, 3) of copies of `tile`."""
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    return np.ascontiguousarray(np.tile(tile, repeats)[:height, :width])


def subsample(sample: list[Picture]) -> list[Picture]:
    """Return as many evenly spread pictures of `sample` as `SAMPLE_PIXELS` allows; at least one."""
    count = max(1, min(len(sample), SAMPLE_PIXELS // (sample[0].shape[0] * sample[0].shape[1])))
    return [sample[len(sample) * (2 * i + 1) // (2 * count)] for i in range(count)]
