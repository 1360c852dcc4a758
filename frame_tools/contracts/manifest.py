"""The manifest: what the split found out about a video, as versioned JSON; values only, no files or codecs.

It suffices to name every frame, to encode frames with the same colors and pixel aspect ratio, and to give the output
the timestamps, audio and metadata of the original. Frames are stored upright: width, height and pixel aspect ratio are
those of the upright picture, and the output has no rotation.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from frame_tools.contracts.base import StoredDocument, explain_validation_error
from frame_tools.contracts.choices import ContainerChoice, ImageFormat, VideoContainer
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.image_files import painted_name
from frame_tools.contracts.media_description import (
    AudioTrack,
    Chapter,
    Color,
    Projection,
    StereoLayout,
    SubtitleTrack,
    Tag,
)
from frame_tools.contracts.media_values import (
    MAX_CHAPTERS,
    MAX_FRAMES,
    MAX_NOTES,
    MAX_PTS,
    Cut,
    Line,
    Pattern,
    PositiveRatio,
    Pts,
    Side,
    Step,
)
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.video_index import VideoIndex

MAX_JSON_BYTES: Final = 32 * 2**20
_MAX_MARKS: Final = {",": 2 * MAX_FRAMES + 100_000, ":": 50_000, "{": 10_000, "[": 10_000}
"""How often JSON's marks may occur; the largest manifest has two long lists of numbers, a shorter one of key frames and
a thousand chapters. A parser takes up to a kilobyte for each object and for each unknown field."""
# FFmpeg's QuickTime muxer does not write them.
_NOT_IN_MOV: Final = frozenset({"flac", "opus"})


class Manifest(StoredDocument):
    """What the split found out about the video `source`.

    Timestamps are integers in units of `time_base` seconds, not negative, either constant (`first_pts`, `pts_step`) or
    one per frame (`pts`, strictly increasing); read them with `frame_pts`. `last_duration` is the duration of the last
    frame. `rate` is the nominal or average rate in frames per second. `rotation` is the number of degrees by which the
    source was rotated clockwise to be upright. `cuts` are the indices of frames that begin a scene, as far as the split
    detected them. `notes` says what the split could not keep or had to repair.
    """

    model_config = ConfigDict(strict=True)

    document_name: ClassVar = "manifest"
    max_bytes: ClassVar = MAX_JSON_BYTES
    max_values: ClassVar = sum(_MAX_MARKS.values())
    version: Literal[1, 2, 3, 4] = 4
    source: Line
    source_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    frame_count: Annotated[int, Field(ge=1, le=MAX_FRAMES)]
    pattern: Pattern = "{:06d}.jpg"
    first_number: Annotated[int, Field(ge=0, le=MAX_FRAMES)] = 1
    image_format: ImageFormat = "jpg"
    width: Side
    height: Side
    sample_aspect: PositiveRatio = Fraction(1)
    rotation: Literal[0, 90, 180, 270] = 0
    time_base: PositiveRatio
    first_pts: Pts = 0
    pts_step: Step | None = None
    pts: Annotated[tuple[Pts, ...], Field(max_length=MAX_FRAMES)] | None = None
    last_duration: Step
    rate: PositiveRatio
    cuts: Annotated[tuple[Cut, ...], Field(max_length=MAX_FRAMES)] = ()
    color: Color = Color()
    audio_file: Literal["audio.mp4", "audio.mka"] | None = None
    audio: Annotated[tuple[AudioTrack, ...], Field(max_length=64)] = ()
    subtitles: Annotated[tuple[SubtitleTrack, ...], Field(max_length=64)] = ()
    projection: Projection | None = None
    stereo: StereoLayout | None = None
    chapters: Annotated[tuple[Chapter, ...], Field(max_length=MAX_CHAPTERS)] = ()
    tags: dict[Tag, Line] = Field(default_factory=dict, max_length=32)
    title: Line | None = None
    creation_time: Line | None = None
    place: Line | None = None
    container: VideoContainer = "mp4"
    split_options: SplitOptions | None = None
    """Options of the split; None in manifests before version 3 and of frames without a video."""
    index: VideoIndex | None = None
    """Of a video whose frames are not stored: tasks decode them; None where the frames are files."""
    notes: Annotated[tuple[Line, ...], Field(max_length=MAX_NOTES)] = ()

    @model_validator(mode="after")
    def _check_timestamps(self) -> Self:
        if (self.pts is None) == (self.pts_step is None):
            raise ValueError("give either pts_step or pts")
        if self.pts is not None:
            if len(self.pts) != self.frame_count:
                raise ValueError(f"pts has {len(self.pts)} entries for {self.frame_count} frames")
            if self.pts[0] != self.first_pts:
                raise ValueError("first_pts is not the first of pts")
            if any(later <= earlier for earlier, later in pairwise(self.pts)):
                raise ValueError("pts does not increase strictly")
        if self.frame_pts[-1] + self.last_duration > MAX_PTS:
            raise ValueError("the last frame's timestamp is too large")
        return self

    @model_validator(mode="after")
    def _check_cuts(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.cuts)):
            raise ValueError("cuts do not increase strictly")
        if self.cuts and self.cuts[-1] >= self.frame_count:
            raise ValueError(f"cuts names frame {self.cuts[-1]} of {self.frame_count}")
        if self.index is not None and self.index.keys[-1] >= self.frame_count:
            raise ValueError(f"index names frame {self.index.keys[-1]} of {self.frame_count}")
        return self

    @model_validator(mode="after")
    def _check_audio(self) -> Self:
        if (self.audio_file is None) != (not self.audio and not self.subtitles):
            raise ValueError("audio_file and audio go together")
        return self

    @property
    def frame_pts(self) -> Sequence[int]:
        """The timestamp of each frame in presentation order, in units of `time_base`; strictly increasing."""
        if self.pts is not None:
            return self.pts
        step = self.pts_step or 1
        return range(self.first_pts, self.first_pts + self.frame_count * step, step)

    @property
    def audio_packets(self) -> int:
        """Number of packets in the audio file."""
        return sum(track.packets for track in self.audio) + sum(track.packets for track in self.subtitles)

    @property
    def duration(self) -> Fraction:
        """Seconds from the start of the first frame to the end of the last."""
        pts = self.frame_pts
        return (pts[-1] - pts[0] + self.last_duration) * self.time_base

    def with_container(self, choice: ContainerChoice) -> Self:
        """Return the manifest with another container of the output; auto keeps it.

        Raises InputError if the audio file does not fit into that container.
        """
        if choice in ("auto", self.container):
            return self
        if choice == "mkv" and self.subtitles:
            raise InputError(
                f"The subtitles of this split ({self.subtitles[0].codec}) do not fit into MKV",
                f"Write {self.container.upper()}, or split the video again with container mkv.",
            )
        needs_mkv = self.audio_file == "audio.mka"
        not_in_mov = [track.codec for track in self.audio if track.codec in _NOT_IN_MOV]
        if choice != "mkv" and (needs_mkv or (choice == "mov" and not_in_mov)):
            codecs = ", ".join(
                not_in_mov or [*(track.codec for track in self.audio), *(track.codec for track in self.subtitles)]
            )
            raise InputError(
                f"The audio of this split ({codecs}) does not fit into {choice.upper()}",
                f"Write {self.container.upper()}, or split the video again with container {choice}.",
            )
        return self.model_copy(update={"container": choice})

    def with_note(self, note: str) -> Self:
        """Return the manifest with one more note, in place of the last one if there are too many."""
        return self.model_copy(update={"notes": (*self.notes[: MAX_NOTES - 1], note)})

    def frame_name(self, index: int) -> str:
        """Return the file name of frame `index`, counted from zero; raises IndexError."""
        if not 0 <= index < self.frame_count:
            raise IndexError(f"frame {index} of {self.frame_count}")
        return self.pattern.format(self.first_number + index)

    def painted_name(self, index: int) -> str:
        """Return the file name of the painted frame `index`; raises IndexError."""
        return painted_name(self.frame_name(index), self.image_format)

    @classmethod
    def parse_input(cls, data: bytes | str, what: str = "manifest") -> Self:
        """Parse a manifest that a user uploaded or has in a folder; raises InputError that names the invalid fields."""
        if excess := _describe_excess(data):
            raise InputError(f"The {what} has {excess}", "Split the video again, or cut it into shorter ones")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise _invalid(error, cls) from None

    @classmethod
    def load_stored(cls, data: bytes | str) -> Self:
        """Load the manifest of a run; raises VersionSkewError, or DamagedError also if it is too large."""
        if excess := _describe_excess(data):
            raise DamagedError(f"The stored manifest has {excess}", "Start a new run")
        return super().load_stored(data)

    @classmethod
    def plain(
        cls,
        frame_count: int,
        rate: Fraction,
        *,
        width: int,
        height: int,
        image_format: ImageFormat = "jpg",
        pattern: str = "{:06d}.jpg",
        first_number: int = 1,
        source: str = "frames",
    ) -> Self:
        """Return the manifest of frames that have none: constant `rate` from zero, square pixels, no audio.

        Raises InputError that names the value out of bounds.
        """
        if rate <= 0:
            raise InputError(f"A rate of {rate} frames per second is not over zero", 'Give a rate like "30000/1001"')
        values: dict[str, Any] = {
            "source": source,
            "frame_count": frame_count,
            "pattern": pattern,
            "first_number": first_number,
            "image_format": image_format,
            "width": width,
            "height": height,
            "time_base": 1 / Fraction(rate),
            "pts_step": 1,
            "last_duration": 1,
            "rate": Fraction(rate),
        }
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _invalid(error, cls) from None


def _describe_excess(data: bytes | str) -> str | None:
    """Say what is too large in JSON text that nobody has parsed yet; None if nothing is."""
    if len(data) > MAX_JSON_BYTES:
        return f"{len(data)} bytes; the maximum is {MAX_JSON_BYTES}"
    for mark, limit in _MAX_MARKS.items():
        count = data.count(mark) if isinstance(data, str) else data.count(mark.encode())
        if count > limit:
            return f"{count} times the character {mark!r}; the maximum is {limit}"
    return None


def _invalid(error: ValidationError, model: type[Manifest]) -> InputError:
    what, _ = explain_validation_error(error, model.document_name, model)
    return InputError(what, "Split the video again, or correct the named fields")
