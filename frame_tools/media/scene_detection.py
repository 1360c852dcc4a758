"""Scene-cut detection during a split: compares thumbnails of consecutive frames."""

from typing import Final

from PIL import Image, ImageChops, ImageStat

_THUMBNAIL_SIZE: Final = (16, 9)
_CHANGE_THRESHOLD: Final = 14.0
"""Mean change of a thumbnail, in gray levels, from which a frame may begin a scene. Measured on seven clips: at most
5.5 within a scene, even two frames apart; 27 and more between frames of different clips."""
_NEIGHBOR_RATIO: Final = 3.0
"""Minimum ratio of the change to the changes before and after it: a pan changes every frame, a flash changes twice."""


class SceneCutDetector:
    """Detects scene cuts in frames that are added in order."""

    def __init__(self) -> None:
        self._last: Image.Image | None = None
        self._changes: list[float] = []

    def add(self, image: Image.Image) -> None:
        """Add the next frame, an RGB image."""
        thumbnail = image.resize(_THUMBNAIL_SIZE, Image.Resampling.BOX, reducing_gap=1.0)
        if self._last is not None:
            channels = ImageStat.Stat(ImageChops.difference(thumbnail, self._last)).mean
            self._changes.append(sum(channels) / len(channels))
        self._last = thumbnail

    def cuts(self) -> tuple[int, ...]:
        """Return the indices of the frames that begin a new scene; call it after the last frame."""
        padded = [0.0, *self._changes, 0.0]
        return tuple(
            index
            for index, change in enumerate(self._changes, start=1)
            if change >= _CHANGE_THRESHOLD and change >= _NEIGHBOR_RATIO * max(padded[index - 1], padded[index + 1])
        )
