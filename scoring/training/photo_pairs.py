"""Pictures of a step of fine-tuning: a part of a photo, like a frame of a video, and a copy that must look the same."""

import math
import random
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import torch

from scoring.opencv import resize
from scoring.training import augmentation, disturbances
from scoring.types import Picture

MAX_SHIFT: Final = 4
"""Pixels: one cell of the network's grid. The spoiled photo is shifted by less, in both directions."""
MAX_LINES: Final = 420
"""Pixels: maximum height of the whole photo of which a part is painted. Runs paint most videos at about 360."""
SOFT_SHARE: Final = 0.35
NOISE: Final = 2.0
"""Gray levels: standard deviation of the noise in copies that have nothing but noise."""


@dataclass(frozen=True, kw_only=True)
class PhotoPair:
    """Float in 0..1, (1, 3, H, W) each."""

    clean: torch.Tensor
    shifted: torch.Tensor
    """The same photo, shifted by `shift`: what `spoiled` shows without its disturbances."""
    spoiled: torch.Tensor
    shift: tuple[int, int]
    """Pixels down and right by which the content of `shifted` lies further up and left."""
    is_noise: bool
    """Whether `spoiled` differs from `clean` by noise of `NOISE` only: not shifted, nor compressed."""

    def to(self, device: torch.device) -> "PhotoPair":
        """Return the pair on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("clean", "shifted", "spoiled")}
        return PhotoPair(**moved, shift=self.shift, is_noise=self.is_noise)


def draw_pair(photos: list[Picture], height: int, width: int, rng: random.Random) -> PhotoPair:
    """Draw a part of a photo, and with equal chance a noisy copy or one that is shifted and spoiled."""
    photo = draw_photo(photos, height + 2 * MAX_SHIFT, width + 2 * MAX_SHIFT, rng)
    if rng.random() < 0.5:
        clean = _window(photo, height, width, (0, 0))
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(rng.getrandbits(31)))
        noisy = (clean + noise * (NOISE / 255)).clamp(0, 1)
        return PhotoPair(clean=clean, shifted=clean, spoiled=noisy, shift=(0, 0), is_noise=True)
    shift = (rng.randint(1 - MAX_SHIFT, MAX_SHIFT - 1), rng.randint(1 - MAX_SHIFT, MAX_SHIFT - 1))
    spoiled = disturbances.disturb(photo, rng) if rng.random() < 0.8 else photo
    return PhotoPair(
        clean=_window(photo, height, width, (0, 0)),
        shifted=_window(photo, height, width, shift),
        spoiled=_window(spoiled, height, width, shift),
        shift=shift,
        is_noise=False,
    )


def draw_photo(photos: list[Picture], height: int, width: int, rng: random.Random) -> Picture:
    """Draw a part of a photo, (height, width, 3), of a scale between all of it and `MAX_LINES`, mirrored half the time.

    `SOFT_SHARE` of them are soft, like enlarged videos and what is out of focus. A few have a flat region, or are a
    smooth gradient in place of a photo.
    """
    if rng.random() < 0.03:
        return np.ascontiguousarray(disturbances.gradient(max(height, width), rng)[:height, :width])
    photo = rng.choice(photos)
    lines = rng.uniform(height, max(height, MAX_LINES))
    factor = max(lines / min(photo.shape[:2]), height / photo.shape[0], width / photo.shape[1])
    rows, columns = (math.ceil(side * factor) for side in photo.shape[:2])
    if rng.random() < SOFT_SHARE:
        share = rng.uniform(0.45, 1)
        photo = resize(photo, round(columns * share), round(rows * share), cv2.INTER_AREA)
    scaled = resize(photo, columns, rows, cv2.INTER_AREA if photo.shape[0] > rows else cv2.INTER_CUBIC)
    top, left = rng.randint(0, rows - height), rng.randint(0, columns - width)
    part = scaled[top : top + height, left : left + width]
    part = np.ascontiguousarray(part[:, ::-1] if rng.random() < 0.5 else part)
    return augmentation.flatten_region(part, rng) if rng.random() < 0.08 else part


def _window(photo: Picture, height: int, width: int, shift: tuple[int, int]) -> torch.Tensor:
    """Cut the part of a photo whose distance from the middle is `shift`, (1, 3, height, width)."""
    top, left = (MAX_SHIFT + distance for distance in shift)
    return augmentation.to_batch([photo[top : top + height, left : left + width]])
