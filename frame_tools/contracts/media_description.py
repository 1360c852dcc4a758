"""What the manifest says of colors, tracks, chapters and projection of a video; values only."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from frame_tools.contracts.media_values import Code, Line, Ratio


class MediaValue(BaseModel):
    """A part of the manifest: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Color(MediaValue):
    """Color tags as code points of ITU-T H.273 (FFmpeg uses the same integers); None where untagged."""

    primaries: Code | None = None
    transfer: Code | None = None
    matrix: Code | None = None
    range: Literal["limited", "full"] | None = None


Tag: TypeAlias = Literal[
    "artist", "album", "album_artist", "comment", "composer", "copyright", "date", "description", "genre", "network",
    "show", "synopsis",
]  # fmt: skip
"""What a container's metadata says of the work, beside its title; never where it was recorded."""
Disposition: TypeAlias = Literal[
    "default", "forced", "comment", "original", "dub", "hearing_impaired", "visual_impaired", "descriptions"
]


class AudioTrack(MediaValue):
    """One audio track of the original, in the original order.

    `start` is the time of the first packet in seconds on the video's clock (negative where an edit list removes an
    encoder's priming); `language` is the file's ISO 639 code.
    """

    codec: Line
    sample_rate: Annotated[int, Field(ge=1, le=10_000_000)]
    channels: Annotated[int, Field(ge=1, le=64)]
    start: Ratio
    packets: Annotated[int, Field(ge=0, le=100_000_000)]
    language: Line | None = None
    title: Line | None = None
    dispositions: tuple[Disposition, ...] = ()


class SubtitleTrack(MediaValue):
    """A subtitle track in the audio file, in its order there; `codec` is the one it has there."""

    codec: Line
    packets: Annotated[int, Field(ge=0, le=1_000_000)]
    language: Line | None = None
    title: Line | None = None
    dispositions: tuple[Disposition, ...] = ()


StereoLayout: TypeAlias = Literal["side_by_side", "top_bottom"]
"""How the pictures for both eyes lie in a frame."""
Angle = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Bound = Annotated[int, Field(ge=0, lt=2**32)]


class Projection(MediaValue):
    """Equirectangular projection of a 360° video: angles in degrees * 65536.

    `bounds` are what is cut off at the top, bottom, left and right, as fractions of the sphere * 2^32.
    """

    yaw: Angle = 0
    pitch: Angle = 0
    roll: Angle = 0
    bounds: tuple[Bound, Bound, Bound, Bound] = (0, 0, 0, 0)


class Chapter(MediaValue):
    """A chapter; times in seconds on the clock of the video's timestamps."""

    start: Ratio
    end: Ratio
    title: Line | None = None
