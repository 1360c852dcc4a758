"""The scorer interface and the values that cross it.

A scorer is loaded once per task, prepared once per run, and then maps pictures to pictures or to records. Pictures are
uint8 RGB numpy arrays, (B, H, W, 3): what decoders return and encoders take, without a copy. A scorer without a network
needs no torch. NCHW, the layout of a network, is a view of such an array.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import ImpastoError, InternalError, NextStep
from frame_tools.contracts.options import Options

Picture: TypeAlias = NDArray[np.uint8]
"""One picture, (H, W, 3) RGB."""

Pictures: TypeAlias = NDArray[np.uint8]
"""Pictures of one size, (B, H, W, 3) RGB."""

Alpha: TypeAlias = NDArray[np.uint8]
"""Opacity of each pixel, (H, W): 0 is transparent, 255 is opaque."""

Mask: TypeAlias = NDArray[np.uint8]
"""Where to paint, (H, W): 255 paints, 0 keeps the input, values between blend the two."""

Prepared: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Values that a scorer computes once per run, such as style vectors and statistics. The first task stores them."""
CONTRAST: Final = "contrast"
"""Prepared value of scorers with the option `calm`: for each style mix, the share of contrast that frames keep."""

Record: TypeAlias = Mapping[str, Any]
"""JSON object that a scorer returns for one frame."""


@dataclass(frozen=True)
class FramePosition:
    """Position of a frame in the video: its index from 0, and its time in seconds from the first frame."""

    index: int
    pts_seconds: float

    @property
    def seconds(self) -> float:
        """The name under which operators' scripts read `pts_seconds`."""
        return self.pts_seconds


FramePositions: TypeAlias = tuple[FramePosition, ...]

Score: TypeAlias = Callable[[Pictures, FramePositions], Pictures]
"""Maps pictures to the same number of pictures, of the same size times the run's scale (1 for all but programs).
Thread-safe. The result may be the argument."""

Describe: TypeAlias = Callable[[Pictures, FramePositions], list[Record]]
"""Maps pictures to one record each. Thread-safe."""


@dataclass(frozen=True, kw_only=True)
class DecodedFrame:
    """A decoded input frame."""

    position: FramePosition
    name: str
    picture: Picture
    """At the size of the video, (H, W, 3) uint8 RGB."""
    alpha: Alpha | None
    """(H, W) uint8; None for an opaque picture."""
    working_picture: Picture
    """Input of the scorer, (h, w, 3); the same array as `picture` if frames are scored at full size."""


@dataclass(frozen=True)
class DeliveredFrame:
    """A decoded frame and the picture that is delivered for it."""

    decoded: DecodedFrame
    picture: Picture


@dataclass(frozen=True)
class StyleFile:
    """A style file of the run: a painting, a tuned style or a checkpoint."""

    name: str
    data: bytes


@dataclass(frozen=True)
class StyleMix:
    """Weights of the run's styles from `seconds` on, one for each style file, sum 1.

    Weights are interpolated linearly between two mixes.
    """

    seconds: float
    weights: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """What a scorer may read of a run; the same in every task of the run."""

    options: Options
    styles: tuple[StyleFile, ...] = ()
    style_mixes: tuple[StyleMix, ...] = ()
    """In order of time. Empty without styles; one mix at 0 for a style that does not change."""
    sample: Callable[[], list[Picture]]
    """Reads frames spread over the whole run, at the working size; the same frames in every task."""


def scaled_shape(pictures: Pictures, scale: int) -> tuple[int, ...]:
    """Return the shape of what a scorer of this `scale` makes of `pictures`, (B, H, W, 3)."""
    count, height, width, channels = pictures.shape
    return count, height * scale, width * scale, channels


@runtime_checkable
class TensorScore(Protocol):
    """A `Score` whose frames may stay on its device, as tensors of torch; its scale is 1."""

    def __call__(self, pictures: Pictures, positions: FramePositions, /) -> Pictures:
        """Score pictures on the host, as any `Score`."""

    @property
    def device(self) -> Any:
        """The torch.device."""

    def score_tensors(self, frames: Any, positions: FramePositions, *, full_precision: bool = False) -> Any:
        """Map frames on the device, (B, H, W, 3) uint8, to pictures (B, 3, H, W) float, 0 to 255 but not checked.

        On a GPU a pass is queued and not waited for.
        """


class Scorer(Protocol):
    """A loaded scorer. It keeps its network for the whole task and shares it with the functions that it opens."""

    makes: Makes

    in_order: bool
    """Whether frames must be scored one by one, in order, on one thread: each depends on the one before."""

    @property
    def device(self) -> str:
        """Device label for receipts and logs: "cpu", "cuda (NVIDIA A10)"."""

    @property
    def frames_per_forward(self) -> int:
        """Number of frames that the device should score at once."""

    def prepare(self, run: RunInputs) -> Prepared:
        """Compute what all tasks of the run share; deterministic."""

    def open(self, run: RunInputs, prepared: Prepared) -> Score | Describe:
        """Return the function that scores frames of this run: a Score if it `makes` pictures, else a Describe."""


class PictureError(ImpastoError):
    """One picture of a batch cannot be scored; `position` is its place in the batch.

    The pipeline catches it and raises `fault` with the name of the frame: InputError if the input is to blame.
    """

    def __init__(
        self,
        position: int,
        what: str,
        remedy: str,
        *,
        fault: type[ImpastoError] = InternalError,
        next_step: NextStep | None = None,
    ) -> None:
        super().__init__(what, remedy, next_step=next_step or fault.next_step)
        self.position = position
        self.fault = fault


class NonFiniteOutputError(PictureError):
    """A picture of the batch contains NaN or infinity."""
