"""Pictures without photos, for training and as a reference: the dead leaves model.

Its pictures have the statistics of natural images. Ellipses and boxes of all sizes, with a power law of sizes, cover
each other; each has its color, shading and grain.
A. Lee, D. Mumford, J. Huang, Occlusion models for natural images (2001); M. Baradad and others, Learning to see by
looking at noise (2021, https://arxiv.org/abs/2106.05963) show that networks learn from them nearly as from photos.
"""

import random
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.opencv import resize
from scoring.types import Picture

LEAVES: Final = 220
_MIN_SIZE, _MAX_SIZE = 0.02, 0.5  # relative to the side


def dead_leaves(side: int, rng: random.Random) -> Picture:
    """Draw one picture, (side, side, 3) uint8 RGB."""
    generator = np.random.default_rng(rng.randrange(2**31))
    canvas = np.full((side, side, 3), _color(rng), np.float32)
    for leaf in range(LEAVES):
        mask = np.zeros((side, side), np.uint8)
        share = leaf / LEAVES  # small leaves cover large ones; the other way round only large ones would be visible
        size = side * _MAX_SIZE * (_MIN_SIZE / _MAX_SIZE) ** (share * rng.random() ** 0.5)
        center = rng.randrange(side), rng.randrange(side)
        if rng.random() < 0.6:
            cv2.ellipse(
                mask, center, (int(size) + 1, int(size * rng.uniform(0.4, 1)) + 1), rng.uniform(0, 180), 0, 360, 255, -1
            )
        else:
            box = cv2.boxPoints((center, (2 * size, 2 * size * rng.uniform(0.2, 1)), rng.uniform(0, 180)))
            cv2.fillPoly(mask, [box.astype(np.int32)], 255)
        left, top, width, height = cv2.boundingRect(mask)
        rows, columns = slice(top, top + height), slice(left, left + width)
        covered = mask[rows, columns] > 0  # most leaves are small, so only their part is computed
        canvas[rows, columns][covered] = (_color(rng) + _shading(side, rows, columns, rng, generator))[covered]
    soft = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.2))
    return np.clip(np.rint(soft), 0, 255).astype(np.uint8)


def _color(rng: random.Random) -> NDArray[np.float32]:
    """Draw a color; grayish ones are more frequent, as in photos."""
    gray, spread = rng.uniform(10, 245), rng.choice((15, 40, 90))
    return np.array([gray + rng.uniform(-spread, spread) for _ in range(3)], np.float32)


def _shading(
    side: int, rows: slice, columns: slice, rng: random.Random, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Draw light that falls off to one side, and grain of one scale for some leaves; (rows, columns, 1) gray levels."""
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 40)
    line = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    shading: NDArray[np.float32] = depth * (np.cos(angle) * line[rows, None] + np.sin(angle) * line[None, columns])
    if rng.random() < 0.4:
        cells = max(2, side // rng.choice((2, 4, 8, 16)))
        grain = generator.standard_normal((cells, cells), np.float32) * rng.uniform(4, 25)
        shading = shading + resize(grain, side, side, cv2.INTER_CUBIC)[rows, columns]
    return shading[:, :, None]
