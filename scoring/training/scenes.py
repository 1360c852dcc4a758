"""Pictures to train on where no photos are given: dead leaves, which have the statistics of natural images.

Discs and boxes of all sizes, sizes falling as a power law, cover each other, each with its colour, shading and grain.
A. Lee, D. Mumford, J. Huang, Occlusion models for natural images (2001); M. Baradad and others, Learning to see by
looking at noise (2021, https://arxiv.org/abs/2106.05963) show that networks learn from them nearly as from photos.
"""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.types import Picture

LEAVES = 220
_SMALLEST, _LARGEST = 0.02, 0.5  # of the side


def dead_leaves(side: int, rng: random.Random) -> Picture:
    """Draw one picture, (side, side, 3) uint8 RGB."""
    generator = np.random.default_rng(rng.randrange(2**31))
    canvas = np.full((side, side, 3), _color(rng), np.float32)
    for leaf in range(LEAVES):
        mask = np.zeros((side, side), np.uint8)
        share = leaf / LEAVES  # small ones on top of large ones, or nothing large would be left
        size = side * _LARGEST * (_SMALLEST / _LARGEST) ** (share * rng.random() ** 0.5)
        centre = rng.randrange(side), rng.randrange(side)
        if rng.random() < 0.6:
            cv2.ellipse(
                mask, centre, (int(size) + 1, int(size * rng.uniform(0.4, 1)) + 1), rng.uniform(0, 180), 0, 360, 255, -1
            )
        else:
            box = cv2.boxPoints((centre, (2 * size, 2 * size * rng.uniform(0.2, 1)), rng.uniform(0, 180)))
            cv2.fillPoly(mask, [box.astype(np.int32)], 255)
        filled = mask > 0
        canvas[filled] = (_color(rng) + _shade(side, rng, generator))[filled]
    soft = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.2))
    picture: Picture = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
    return picture


def _color(rng: random.Random) -> NDArray[np.float32]:
    """Draw a colour: greyer ones more often, as around us."""
    grey, spread = rng.uniform(10, 245), rng.choice((15, 40, 90))
    return np.array([grey + rng.uniform(-spread, spread) for _ in range(3)], np.float32)


def _shade(side: int, rng: random.Random, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw light that falls off to one side, and for some leaves grain of one scale; (side, side, 1) levels."""
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 40)
    line = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    shade = depth * (np.cos(angle) * line[:, None] + np.sin(angle) * line[None, :])
    if rng.random() < 0.4:
        cells = max(2, side // rng.choice((2, 4, 8, 16)))
        grain = generator.standard_normal((cells, cells), np.float32) * rng.uniform(4, 25)
        shade = shade + cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC)
    light: NDArray[np.float32] = shade[:, :, None]
    return light
