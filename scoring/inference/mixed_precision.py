"""Half precision on a GPU: used where it paints what full precision paints, as the first frame with content shows."""

import logging
import math
import threading
from collections.abc import Callable
from typing import Final

import torch

NetworkFunction = Callable[..., torch.Tensor]
"""A network: frames (B, C, H, W) and what else it takes -> frames."""

FAITHFUL_DB: Final = 38.0
"""Least PSNR, in dB, of half precision against float32: above it the eye finds no difference in a painting."""

SHOWS_NOTHING: Final = 4 / 255
"""A frame proves nothing if it spreads (standard deviation of each channel) less than this share of black to white:
norms of its own statistics magnify rounding (10 to 32 dB for flat frames, emulated on a CPU), shared ones don't."""

_LOG = logging.getLogger(__name__)


def disable_tf32() -> None:
    """Have convolutions in float32 on a GPU not rounded to 11 bits (TF32), as PyTorch lets cuDNN do from Ampere on.

    Otherwise full precision would be no finer than half. Holds for the process.
    https://docs.pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices
    """
    torch.backends.cudnn.allow_tf32 = False


class CheckedHalfPrecision:
    """A network (B, C, H, W) -> (B, C, H, W) in half precision if its first frame comes out as in float32.

    Frames that show nothing, as in a fade from black, are done in float32 until one comes that shows something. A batch
    that half precision turns into values that are no numbers is done again in float32.
    """

    def __init__(self, forward: NetworkFunction, *, span: float) -> None:
        """`span`: what the network's input and output span, from black to white."""
        self._forward = forward
        self._span = span
        self._half: bool | None = None
        self._deciding = threading.Lock()

    def __call__(self, x: torch.Tensor, *more: object) -> torch.Tensor:
        """Run the network; float32 in and out."""
        if not self._may_halve(x[:1], *more):
            return self.full(x, *more)
        y = self._in_half(x, *more)
        return y if math.isfinite(y.sum()) else self.full(x, *more)

    def full(self, x: torch.Tensor, *more: object) -> torch.Tensor:
        """Run the network in float32."""
        return self._forward(x, *more)

    def _may_halve(self, frame: torch.Tensor, *more: object) -> bool:
        with self._deciding:
            if self._half is None and not _shows_nothing(frame, self._span):
                self._half = self._is_faithful(frame, *more)
            return bool(self._half)

    def _in_half(self, x: torch.Tensor, *more: object) -> torch.Tensor:
        with torch.autocast(x.device.type, torch.float16):
            return self._forward(x.contiguous(memory_format=torch.channels_last), *more).float()

    def _is_faithful(self, frame: torch.Tensor, *more: object) -> bool:
        decibels = psnr(self._in_half(frame, *more), self.full(frame, *more), span=self._span)
        faithful = decibels >= FAITHFUL_DB  # not a number, too, is not
        words = "used" if faithful else "not used"
        _LOG.info("Half precision agrees with full precision to %.1f dB: %s.", decibels, words)
        return faithful


def _shows_nothing(frame: torch.Tensor, span: float) -> bool:
    return bool(frame.flatten(2).std(2).max() < SHOWS_NOTHING * span)


def psnr(a: torch.Tensor, b: torch.Tensor, *, span: float) -> float:
    """Give how near `a` comes to `b`, in dB."""
    error = (a.clamp(0, span) - b.clamp(0, span)).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(span**2 / error) if error > 0 else math.nan
