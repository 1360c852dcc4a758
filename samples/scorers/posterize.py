"""Reduce each channel to a few levels; grain hides the steps.

impasto scorer try samples/scorers/posterize.py holiday.mp4 --set levels=4
"""

import numpy as np


class Posterize:
    """Pictures with `levels` values per channel."""

    def __init__(self, context):
        self.levels = context.arguments.get("levels", 4)
        if not isinstance(self.levels, int) or not 2 <= self.levels <= 64:
            raise ValueError(f"levels must be a whole number from 2 to 64, not {self.levels!r}")
        self.seed = context.seed

    def score(self, frames, positions):
        """Return the frames, (B, H, W, 3) uint8, with fewer levels."""
        step = 255 / (self.levels - 1)
        pairs = zip(frames, positions, strict=True)
        return np.stack([self.posterize(frame, position, step) for frame, position in pairs])

    def posterize(self, frame, position, step):
        """Return one frame; its grain depends on the seed and the frame's index only."""
        grain = np.random.default_rng((self.seed, position.index)).uniform(-0.4, 0.4, frame.shape[:2])
        level = np.rint(frame / step + grain[..., None]) * step
        return level.clip(0, 255).astype(np.uint8)


def load(context):
    """Return the scorer."""
    return Posterize(context)
