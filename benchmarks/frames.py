"""Frames of videos as arrays, for the benchmarks."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from scoring.types import Picture


def read_frames(path: Path) -> Iterator[Picture]:
    """Yield the frames of a video, (H, W, 3) uint8 RGB."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """Return a picture scaled to `size` (width, height) by area."""
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
