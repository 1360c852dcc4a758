"""The index of a video: where decoding may begin, and which time stamp of the file is time 0.

With the manifest's timestamps, scene cuts and options of the split, it lets a task decode any stretch of the video to
exactly the frames that a split would write.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frame_tools.contracts.inputs import Pin
from frame_tools.contracts.media_values import MAX_FRAMES, MAX_PTS

Frame = Annotated[int, Field(ge=0, lt=MAX_FRAMES)]
Obstacle = Literal["format", "keys", "timestamps", "edits", "clock", "damage", "fields", "seek"]
"""Why decoding can only begin at the first frame."""

OBSTACLES: Final[dict[Obstacle, str]] = {
    "format": "its container has no reliable index of key frames",
    "keys": "it has no key frame after the first one",
    "timestamps": "frames have missing or repeated time stamps",
    "edits": "an edit list shows several parts of it",
    "clock": "its clock jumps",
    "damage": "it is damaged",
    "fields": "interlaced and progressive frames alternate",
    "seek": "decoding from a key frame gave other frames than decoding from the beginning",
}
"""What each obstacle means, for notes: a clause about "the video"."""

MIN_KEY_DISTANCE: Final = 24
"""Frames between two keys, at least; of closer key frames, those in between are left out."""
MAX_REPEATED: Final = 4
"""How many times the frames of a video may be decoded in addition by tasks that have to begin earlier than their batch;
from about here on, splitting the video once and storing its frames takes less time."""


class VideoIndex(BaseModel):
    """Where decoding of a video may begin.

    `keys` are the frames, in increasing order and beginning with 0, from which on decoding gives the same frames as
    from the beginning; `origin` is the file's time stamp of time 0, in ticks of the manifest's time base. `lead` is how
    many frames before the first needed one have to be decoded (deinterlacing looks at a neighbor). `has_jumps` says
    that packets are moved to one continuous clock. `obstacle` says why there are no keys but 0; None if there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    origin: Annotated[int, Field(ge=-MAX_PTS, le=MAX_PTS)]
    keys: Annotated[tuple[Frame, ...], Field(min_length=1, max_length=MAX_FRAMES // MIN_KEY_DISTANCE + 1)]
    lead: Literal[0, 1] = 0
    has_jumps: bool = False
    obstacle: Obstacle | None = None
    file: Pin | None = None
    """What was indexed, to be compared with the blob: the MD5 of the file, or the pin of the blob that a task read."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.keys[0] != 0 or any(later <= earlier for earlier, later in pairwise(self.keys)):
            raise ValueError("keys must begin with 0 and increase strictly")
        if (len(self.keys) > 1) == (self.obstacle is not None) or (self.has_jumps and self.obstacle is None):
            raise ValueError("obstacle says why there are no keys after frame 0")
        return self

    def key_before(self, frame: int) -> int:
        """Return the frame at which decoding has to begin to get `frame`."""
        return self.keys[bisect_right(self.keys, max(0, frame - self.lead)) - 1]

    def repeated_frames(self, borders: Sequence[int]) -> int:
        """Return how many frames tasks decode before the first one of their batch; `borders` are those of the plan."""
        return sum(start - self.key_before(start) for start in borders[:-1])

    def is_decodable_by(self, borders: Sequence[int]) -> bool:
        """Return whether tasks with these borders can decode the video without decoding too much of it repeatedly."""
        return self.repeated_frames(borders) <= MAX_REPEATED * borders[-1]


def start_note(index: VideoIndex) -> str | None:
    """Say that tasks decode a video from its first frame on; None if they begin at key frames."""
    if index.obstacle is None:
        return None
    return f"Each task decoded the video from its first frame on: {OBSTACLES[index.obstacle]}"


def split_note(index: VideoIndex) -> str:
    """Say why a video that tasks were to decode was split into frames."""
    reason = OBSTACLES[index.obstacle] if index.obstacle else "its key frames are too far apart for such small batches"
    return f"The video was split into frames, because it can't be decoded in parts: {reason}"
