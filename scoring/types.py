"""What a scorer is: it loads once, is prepared once per run, and then maps pictures to pictures or to records.

Pictures cross this border as numpy arrays, uint8 RGB, (B, H, W, 3): what decoders give and encoders take, without a
copy, and a scorer that needs no torch imports none. A network's own layout (NCHW) is a view of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.errors import ImpastoError, InternalError
from frame_tools.contracts.options import Options

Picture: TypeAlias = NDArray[np.uint8]
"""One picture, (H, W, 3) RGB."""

Pictures: TypeAlias = NDArray[np.uint8]
"""Pictures of one size, (B, H, W, 3) RGB."""

Prepared: TypeAlias = Mapping[str, NDArray[np.float32]]
"""What a scorer works out once per run: style vectors, statistics. Stored by the first task, read by all others."""

Record: TypeAlias = Mapping[str, Any]
"""What a scorer has to say of one frame; JSON."""


@dataclass(frozen=True)
class FramePosition:
    """Which frame of the video a picture is: its index from 0, and its time in seconds from the first frame."""

    index: int
    seconds: float


Moments: TypeAlias = tuple[FramePosition, ...]

Score: TypeAlias = Callable[[Pictures, Moments], Pictures]
"""Maps pictures to as many of the same size; may be called on several threads. The answer may be the argument."""

Describe: TypeAlias = Callable[[Pictures, Moments], list[Record]]
"""Maps pictures to one record each; may be called on several threads."""


@dataclass(frozen=True)
class StyleFile:
    """A file that a person named as style: a painting, a tuned style or a checkpoint."""

    name: str
    data: bytes


@dataclass(frozen=True)
class KeyStyle:
    """From `seconds` on the run's styles count with these weights (one for each style file, sum 1).

    Between two keys the weights go over linearly.
    """

    seconds: float
    weights: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """What a scorer may know of a run: the same in every task of it."""

    options: Options
    styles: tuple[StyleFile, ...] = ()
    keys: tuple[KeyStyle, ...] = ()
    """Rising in time; empty without styles, one entry at 0 for a style that does not change."""
    sample: Callable[[], list[Picture]]
    """Reads frames spread over the whole run, at the size at which frames are scored; the same in every task."""


class Scorer(Protocol):
    """A loaded scorer. It keeps its network for the whole task; what it opens shares it."""

    makes: Literal["pictures", "records"]

    in_order: bool
    """Whether frames must come one after the other, on one thread, because each looks at the one before."""

    @property
    def device(self) -> str:
        """Where it computes, in words for receipt and log: "cpu", "cuda (NVIDIA A10)"."""

    @property
    def frames_per_forward(self) -> int:
        """How many frames at once suit the device."""

    def prepare(self, run: RunInputs) -> Prepared:
        """Work out what all tasks of the run share; equal inputs give equal numbers."""

    def open(self, run: RunInputs, prepared: Prepared) -> Score | Describe:
        """Give the function that scores frames of this run: a Score if it `makes` pictures, else a Describe."""


class PictureError(ImpastoError):
    """One picture of a batch can't be scored; `position` is its place there, from which `stream` learns its name.

    `stream` raises `fault` with that name instead: InputError if the person's picture is to blame.
    """

    def __init__(self, position: int, what: str, remedy: str, *, fault: type[ImpastoError] = InternalError) -> None:
        super().__init__(what, remedy)
        self.position = position
        self.fault = fault


class NonFiniteOutputError(PictureError):
    """A picture of the batch came out as NaN or infinity."""
