"""What goes through `stream`: frames before and after scoring, the stages that they pass, and where they go."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from frame_tools.contracts.receipt import SteadinessSums
from scoring.image_codec import Decoded, decode_with_alpha, encode_jpeg
from scoring.thread_pools import available_cores
from scoring.types import Alpha, DecodedFrame, DeliveredFrame, FramePosition, Picture

Stored = TypeVar("Stored")
Motion = TypeVar("Motion")


@dataclass(frozen=True, kw_only=True)
class SourceFrame:
    """A frame to come."""

    position: FramePosition
    name: str
    fetch: Callable[[], bytes]
    """Reads the encoded picture; called on a thread of the stream's."""
    delivered: bool = True
    """False for a warm-up frame: it is scored and followed, and neither delivered nor told of."""


Source: TypeAlias = Iterable[SourceFrame]
"""Frames in order; each index is one above the index before."""


@dataclass(frozen=True, kw_only=True)
class Stages(Generic[Motion]):
    """What happens to a frame beside its scoring; a stage that is None does not take place and costs nothing.

    `decode`, `shrink`, `link`, `touch` and `measure` are called on several threads at once and at low priority;
    they must be pure. `follow` is called for one frame after the other, in order, on one thread, and may keep state.
    """

    decode: Callable[[bytes, str], Decoded] = decode_with_alpha
    """Turns a file's bytes into a picture; gets the name for its errors."""
    shrink: Callable[[Picture], Picture] | None = None
    """Gives the picture that is scored in place of the whole one."""
    link: Callable[[DecodedFrame, DecodedFrame], Motion | None] | None = None
    """Tells how a frame (second argument) goes on from the one before; None if it does not."""
    follow: Callable[[DecodedFrame, Picture, Motion | None], Picture] | None = None
    """Takes frame, scored picture and link to the frame before (None for the first of all, after a change of size, or
    if `link` says so); gives the picture that goes on."""
    touch: Callable[[DecodedFrame, Picture], Picture] | None = None
    """Takes frame and picture (at the size that is scored); gives what is delivered, at the video's size."""
    measure: Callable[[DeliveredFrame, DeliveredFrame], SteadinessSums] | None = None
    """Compares two delivered frames, one after the other."""
    measure_every: int = 24
    """Measured are pairs whose second index this divides."""


@dataclass(frozen=True, kw_only=True)
class FrameRecord(Generic[Stored]):
    """What became of one frame, and where its time went: milliseconds of wall clock; the stages overlap."""

    index: int
    name: str
    load_ms: float
    """Read, decode and shrink."""
    infer_ms: float
    """Score: the frame's share of the time that its forward added."""
    save_ms: float
    """Touch, encode and write."""
    segment_ms: float
    """Encode into the segment; 0 if there is none."""
    stored: Stored
    """What the sink gave back; the frame's record if it was described."""
    measured: SteadinessSums | None = None
    """How steady the step to this frame is, if it was measured."""


def opaque_jpeg(picture: Picture, _alpha: Alpha | None) -> bytes:
    """Encode as JPEG, which has no transparency."""
    return encode_jpeg(picture)


@dataclass(frozen=True)
class Outputs(Generic[Stored]):
    """Where scored frames go."""

    sink: Callable[[int, str, bytes], Stored]
    """Writes one encoded frame (index, name, bytes); called on several threads at once."""
    encode: Callable[[Picture, Alpha | None], bytes] = opaque_jpeg
    """Encodes a frame for the sink; called where the sink is."""
    segment: Callable[[Picture], None] | None = None
    """Takes each frame for the segment, in order, on one thread."""
    on_frame: Callable[[FrameRecord[Stored]], None] | None = None
    """Told of each frame, in order, on the calling thread, once the frame is stored and in the segment."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many threads read and write, and how many frames may wait before and behind the scorer.

    With few cores the threads mostly wait for storage, so there are at least 4; a fast GPU can keep every core busy
    decoding and encoding.
    """

    readers: int = field(default_factory=lambda: max(4, available_cores() // 2))
    writers: int = field(default_factory=lambda: max(4, available_cores()))
    waiting: int = field(default_factory=lambda: max(8, available_cores()))


DEFAULT_WORKERS = Workers()
NO_STAGES: Stages[Any] = Stages()
