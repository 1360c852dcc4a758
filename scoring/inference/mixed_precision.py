"""Half precision on a GPU, used only if it gives the same picture as full precision on the first frame with content."""

import logging
import math
import threading
from collections.abc import Callable
from typing import Final

import torch

NetworkFunction = Callable[..., torch.Tensor]
"""A network: frames (B, C, H, W) and further arguments -> frames."""

MIN_PSNR_DB: Final = 38.0
"""Minimum PSNR, in dB, of half precision against float32; above it the difference in a painting is invisible."""

CONTENT_STD_THRESHOLD: Final = 4 / 255
"""Share of the value range: a frame decides nothing if the standard deviation of each channel is below this.
Norms with the frame's own statistics magnify rounding there (10 to 32 dB for flat frames, emulated on a CPU), shared
ones do not."""

_log = logging.getLogger(__name__)


def disable_tf32() -> None:
    """Turn off TF32, which rounds float32 convolutions to 11 bits on GPUs from Ampere on, for the whole process.

    Otherwise full precision would be no finer than half precision.
    https://docs.pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices
    """
    torch.backends.cudnn.allow_tf32 = False


class CheckedHalfPrecision:
    """A network (B, C, H, W) -> (B, C, H, W) that runs in half precision if its first frame matches float32.

    Frames without content, as in a fade from black, run in float32 until one with content decides. A batch for which
    half precision gives NaN or infinity is repeated in float32.
    """

    def __init__(self, network: NetworkFunction, *, span: float) -> None:
        """`span`: range of the network's input and output values, from black to white."""
        self._network = network
        self._span = span
        self._use_half: bool | None = None
        self._deciding = threading.Lock()

    def __call__(self, x: torch.Tensor, *arguments: object) -> torch.Tensor:
        """Run the network; float32 in and out."""
        if not self._decide(x[:1], *arguments):
            return self.full_precision(x, *arguments)
        y = self._half_precision(x, *arguments)
        return y if math.isfinite(y.sum()) else self.full_precision(x, *arguments)

    def unchecked(self, x: torch.Tensor, *arguments: object) -> torch.Tensor:
        """Run the network without a look at the result, for which the host would have to wait; the caller checks it."""
        precision = self._half_precision if self._decide(x[:1], *arguments) else self.full_precision
        return precision(x, *arguments)

    def full_precision(self, x: torch.Tensor, *arguments: object) -> torch.Tensor:
        """Run the network in float32."""
        return self._network(x, *arguments)

    def _decide(self, frame: torch.Tensor, *arguments: object) -> bool:
        """Return whether to use half precision, deciding by `frame` if no frame with content came before."""
        with self._deciding:
            if self._use_half is None and not _is_flat(frame, self._span):
                self._use_half = self._matches_full_precision(frame, *arguments)
            return bool(self._use_half)

    def _half_precision(self, x: torch.Tensor, *arguments: object) -> torch.Tensor:
        with torch.autocast(x.device.type, torch.float16):
            return self._network(x.contiguous(memory_format=torch.channels_last), *arguments).float()

    def _matches_full_precision(self, frame: torch.Tensor, *arguments: object) -> bool:
        decibels = psnr(
            self._half_precision(frame, *arguments), self.full_precision(frame, *arguments), span=self._span
        )
        matches = decibels >= MIN_PSNR_DB  # False for NaN, too
        _log.info(
            "Half precision matches full precision to %.1f dB and is %s.", decibels, "used" if matches else "not used"
        )
        return matches


def _is_flat(frame: torch.Tensor, span: float) -> bool:
    return bool(frame.flatten(2).std(2).max() < CONTENT_STD_THRESHOLD * span)


def psnr(a: torch.Tensor, b: torch.Tensor, *, span: float) -> float:
    """Return the peak signal-to-noise ratio between `a` and `b`, in dB."""
    error = (a.clamp(0, span) - b.clamp(0, span)).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(span**2 / error) if error > 0 else math.nan
