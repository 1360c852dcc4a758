"""Find where new scenes begin, while a video is split: by thumbnails, each compared with the one before."""

from typing import Final

from PIL import Image, ImageChops, ImageStat

THUMBNAIL: Final = (16, 9)
LEAST: Final = 14.0
"""Grey levels that a thumbnail must change by, in the mean. Measured on seven clips: at most 5.5 within a scene, even
two frames apart; 27 and more between frames of different clips."""
ABOVE_NEIGHBOURS: Final = 3.0
"""How many times the change must be as large as the ones before and after it: a pan changes every frame, and a flash
changes twice."""


class SceneCutDetector:
    """Takes the frames of a video in order."""

    def __init__(self) -> None:
        self._last: Image.Image | None = None
        self._changes: list[float] = []

    def add(self, image: Image.Image) -> None:
        """Take the next frame, an RGB image."""
        small = image.resize(THUMBNAIL, Image.Resampling.BOX, reducing_gap=1.0)
        if self._last is not None:
            channels = ImageStat.Stat(ImageChops.difference(small, self._last)).mean
            self._changes.append(sum(channels) / len(channels))
        self._last = small

    def cuts(self) -> tuple[int, ...]:
        """Return the indices of the frames that begin a new scene, after the last frame."""
        padded = [0.0, *self._changes, 0.0]
        return tuple(
            index
            for index, change in enumerate(self._changes, start=1)
            if change >= LEAST and change >= ABOVE_NEIGHBOURS * max(padded[index - 1], padded[index + 1])
        )
