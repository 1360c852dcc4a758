"""Values of the frame pipeline: source frames, the stages around the scorer, and the outputs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from frame_tools.contracts.receipt import SteadinessSums
from scoring.image_codec import DecodedPicture, decode_with_alpha, encode_jpeg
from scoring.thread_pools import available_cores
from scoring.types import Alpha, DecodedFrame, DeliveredFrame, FramePosition, Picture

Stored = TypeVar("Stored")
Motion = TypeVar("Motion")


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """A frame that has not been read yet."""

    position: FramePosition
    name: str
    fetch: Callable[[], bytes | DecodedPicture]
    """Reads the file of the picture, or the picture itself; called on a reader thread of the pipeline."""
    delivered: bool = True
    """False for a warm-up frame: it is scored and smoothed, but neither delivered nor reported."""
    part: int = 0
    """Frames of different parts are never scored in one call, so that a part can be scored again alone."""


Source: TypeAlias = Iterable[SourceFrame]
"""Frames in order, with consecutive indices."""


@dataclass(frozen=True, kw_only=True)
class Stages(Generic[Motion]):
    """Processing of a frame around the scorer; a stage that is None is skipped and costs nothing.

    `decode`, `downscale`, `estimate_motion`, `composite` and `measure` run concurrently on low-priority threads and
    must be pure. `smooth` runs on one thread, frame by frame in order, and may keep state.
    """

    decode: Callable[[bytes, str], DecodedPicture] = decode_with_alpha
    """Decodes a file; the second argument is its name, for error messages."""
    downscale: Callable[[Picture], Picture] | None = None
    """Returns the working picture, which is scored in place of the full-size picture."""
    estimate_motion: Callable[[DecodedFrame, DecodedFrame], Motion | None] | None = None
    """Returns the motion from the previous frame to the frame (second argument); None for a scene cut."""
    smooth: Callable[[DecodedFrame, Picture, Motion | None], Picture] | None = None
    """Takes the frame, its scored picture and its motion; returns the picture to continue with, of the same size.

    The motion is None for the first frame, after a change of size, and where `estimate_motion` returns None."""
    composite: Callable[[DecodedFrame, Picture], Picture] | None = None
    """Takes the frame and its scored picture; returns the delivered picture: the video's size times the run's scale."""
    measure: Callable[[DeliveredFrame, DeliveredFrame], SteadinessSums] | None = None
    """Compares two consecutive delivered frames."""
    measure_every: int = 24
    """Pairs are measured whose second index is a multiple of this."""


@runtime_checkable
class SteppedScore(Protocol):
    """A score in three steps, so that a device has the next batch's first step queued while the host decides.

    It smooths, too, so its stages have neither `estimate_motion` nor `smooth`. Each step is called batch after batch,
    on a thread of its own.
    """

    def begin(self, frames: Sequence[DecodedFrame]) -> Any:
        """Queue what needs no decision."""

    def follow(self, begun: Any) -> Any:
        """Decide on faults, and queue the rest."""

    def result(self, followed: Any) -> list[Picture]:
        """Wait for the pictures to deliver, one for each frame."""


@dataclass(frozen=True, kw_only=True)
class FrameRecord(Generic[Stored]):
    """Result and timing of one frame, in milliseconds of wall clock. The stages overlap."""

    index: int
    name: str
    load_ms: float
    """Read, decode and downscale."""
    infer_ms: float
    """Score: the frame's share of the time that its batch added."""
    save_ms: float
    """Composite, encode and write."""
    segment_ms: float
    """Encode into the segment; 0 without a segment."""
    stored: Stored
    """Return value of the sink, or the frame's record if the scorer makes records."""
    measured: SteadinessSums | None = None
    """Steadiness between the previous frame and this one, if it was measured."""


def opaque_jpeg(picture: Picture, _alpha: Alpha | None) -> bytes:
    """Encode as JPEG, which has no transparency."""
    return encode_jpeg(picture)


@dataclass(frozen=True)
class Outputs(Generic[Stored]):
    """Destinations of scored frames."""

    sink: Callable[[int, str, bytes], Stored]
    """Writes one encoded frame (index, name, bytes); called concurrently on several threads."""
    encode: Callable[[Picture, Alpha | None], bytes] = opaque_jpeg
    """Encodes a frame for the sink, on the same thread."""
    segment: Callable[[DeliveredFrame], None] | None = None
    """Adds each frame to the segment, in order, on one thread."""
    on_frame: Callable[[FrameRecord[Stored]], None] | None = None
    """Called for each frame in order, on the calling thread, once it is stored and in the segment."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Number of reader and writer threads, and of frames that may wait before and after the scorer.

    With few cores these threads mostly wait for storage, so there are at least 4; a fast GPU can keep every core busy
    with decoding and encoding.
    """

    readers: int = field(default_factory=lambda: max(4, available_cores() // 2))
    writers: int = field(default_factory=lambda: max(4, available_cores()))
    waiting: int = field(default_factory=lambda: max(8, available_cores()))


DEFAULT_WORKERS = Workers()
NO_STAGES: Stages[Any] = Stages()
