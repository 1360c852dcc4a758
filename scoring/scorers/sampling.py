"""Limit on the sample frames that a run's statistics are measured on."""

from typing import Final

from scoring.types import Picture

SAMPLE_PIXELS: Final = 8 * 1920 * 1080
"""Maximum number of pixels in all sample frames together: they pass through the network at once."""


def subsample(sample: list[Picture]) -> list[Picture]:
    """Return as many evenly spread pictures of `sample` as `SAMPLE_PIXELS` allows; at least one."""
    count = max(1, min(len(sample), SAMPLE_PIXELS // (sample[0].shape[0] * sample[0].shape[1])))
    return [sample[len(sample) * (2 * i + 1) // (2 * count)] for i in range(count)]
