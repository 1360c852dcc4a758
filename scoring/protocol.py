"""What a scorer is: loads once, is prepared for a run, and then maps pictures to pictures.

Pictures cross this border as numpy arrays, uint8 RGB, (B, H, W, 3): what decoders give and encoders take, without a
copy, and a scorer that needs no torch imports none. A network's own layout (NCHW) is a view of it.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from frame_tools.errors import ImpastoError, InternalError

Picture: TypeAlias = NDArray[np.uint8]
"""One picture, (H, W, 3) RGB."""

Pictures: TypeAlias = NDArray[np.uint8]
"""Pictures of one size, (B, H, W, 3) RGB."""

StyleVector: TypeAlias = NDArray[np.float32]
"""What a scorer knows of a painting, (N,): small, so that a run computes it once and every task reads the same."""

Score: TypeAlias = Callable[[Pictures], Pictures]
"""Maps pictures to as many of the same size; may be called on several threads. The answer may be the argument."""


class Scorer(Protocol):
    """A loaded scorer. It keeps its network for the whole task; `score`s made of it share it."""

    @property
    def device(self) -> str:
        """Where it computes, in words for receipt and log: "cpu", "cuda (NVIDIA A10)"."""

    @property
    def frames_per_forward(self) -> int:
        """How many frames at once suit the device."""

    def style_vector(self, painting: Picture) -> StyleVector:
        """Give the painting's style vector."""

    def prepare(self, style: StyleVector | None, *, strength: float = 1.0) -> Score:
        """Give the function that scores frames in this style; strength 0 gives the frames back, 1 all of the style."""


class PictureError(ImpastoError):
    """One picture of a batch can't be scored; `position` is its place there, from which `stream` learns its name.

    `stream` raises `fault` with that name instead: InputError if the person's picture is to blame.
    """

    def __init__(self, position: int, what: str, remedy: str, *, fault: type[ImpastoError] = InternalError) -> None:
        super().__init__(what, remedy)
        self.position = position
        self.fault = fault
