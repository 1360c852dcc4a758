"""Limits of a video that is read: what is refused before it takes memory and time."""

from dataclasses import dataclass

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_values import MAX_FRAMES, MAX_SIDE


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """The most frames of a video, and the most pixels of one of them."""

    frames: int = MAX_FRAMES
    pixels: int = MAX_SIDE**2

    def check_size(self, name: str, width: int, height: int) -> None:
        """Raise InputError if a frame of the video `name` has too many pixels."""
        if width * height > self.pixels:
            raise InputError(
                f"The frames of {name} are {width}x{height} pixels",
                f"Scale the video down to at most {self.pixels} pixels.",
            )
