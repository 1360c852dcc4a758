"""How a style enters the transformer: a brush holds what the norms of a forward are told, and bends their kernels.

A style is one row of numbers: the scales of all norms, their shifts, and what is added to each kernel before a norm.
A painting that was only looked at adds nothing to kernels; one that was fitted (`training.tune`) does. Styles mix by
weighted sums. The order of norms is that of the network, from its input on.
"""

# mypy: disallow-subclassing-any=False
# (torch is not installed where mypy runs)

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)
from torch import nn

from scoring.scorers.any_painting.predictor import STYLE_SIZE

NORM_CHANNELS: Final = 5 * 2 * 32 + 16 + 8 + 3
"""Channels of all norms together."""
KERNEL_NUMBERS: Final = 5 * 2 * 32 * 32 * 9 + 16 * 32 * 9 + 8 * 16 * 9 + 3 * 8 * 81
"""Numbers in all kernels before a norm."""
STYLE_NUMBERS: Final = 2 * NORM_CHANNELS + KERNEL_NUMBERS

_EPS: Final = 1e-5
Kernel: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class ConditionalInstanceNorm(nn.Module):
    """Where a style enters: scale and shift of each channel are linear in the style vector."""

    place: slice
    """Its channels among those of all norms; set by the transformer."""
    change: slice
    """Its convolution's numbers in a style; set by the transformer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(STYLE_SIZE, channels)
        self.beta = nn.Linear(STYLE_SIZE, channels)


def style_of(scales_and_shifts: torch.Tensor, changes: torch.Tensor | None = None) -> torch.Tensor:
    """Give the style (`STYLE_NUMBERS`,) of (2, `NORM_CHANNELS`) and what it adds to kernels, (`KERNEL_NUMBERS`,)."""
    added = scales_and_shifts.new_zeros(KERNEL_NUMBERS) if changes is None else changes
    return torch.cat([scales_and_shifts.flatten(), added])


class StyleCondition:
    """What the norms of one forward are told: a style, and what to normalise by.

    `style` is (`STYLE_NUMBERS`,). Without `statistics` each channel of each frame is normalised by its own mean and
    variance; with them, (2, `NORM_CHANNELS`), by those: then a norm is a fixed product and sum, which is folded into
    the convolution before it, and frames, or parts of a frame, no longer change each other's look.
    """

    def __init__(self, style: torch.Tensor, statistics: torch.Tensor | None = None) -> None:
        self.style = style
        self.statistics = statistics
        self._scales_and_shifts = style[: 2 * NORM_CHANNELS].view(2, NORM_CHANNELS)
        self._folded: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        kernel: Kernel = lambda w: w,
    ) -> torch.Tensor:
        """Convolve `x` with `kernel(weight)`, bent by the style, and normalise each channel over all its phases."""
        if self.statistics is not None:
            return F.conv2d(x, *self._fold(weight, norm, phases, kernel))
        y = F.conv2d(x, kernel(self.styled_kernel(weight, norm)))
        scale, shift = self._scales_and_shifts[:, norm.place].repeat_interleave(phases, 1)
        return F.group_norm(y, y.shape[1] // phases, scale, shift, eps=_EPS)

    def styled_kernel(self, weight: torch.Tensor, norm: ConditionalInstanceNorm) -> torch.Tensor:
        """Give the kernel (O, I, k, k) before a norm as this style has it."""
        return weight + self.style[norm.change].view(weight.shape)

    def factor_and_shift(self, norm: ConditionalInstanceNorm) -> tuple[torch.Tensor, torch.Tensor]:
        """Give what each channel is multiplied by to normalise it by the statistics, and what is then added."""
        assert self.statistics is not None  # noqa: S101 - the caller looked
        scale, shift = self._scales_and_shifts[:, norm.place]
        mean, variance = self.statistics[:, norm.place]
        factor = scale * (variance + _EPS).rsqrt()
        return factor, shift - mean * factor

    def _fold(
        self, weight: torch.Tensor, norm: ConditionalInstanceNorm, phases: int, kernel: Kernel
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the kernel and bias that convolve and normalise at once; made once, whichever thread comes first."""
        folded = self._folded.get(norm.place.start)
        if folded is None:
            # In float32 whatever the forward runs in: it is kept for the next one, which may run in another.
            with torch.autocast(weight.device.type, enabled=False):
                factor, shift = self.factor_and_shift(norm)
                folded = (
                    kernel(self.styled_kernel(weight, norm) * factor.view(-1, 1, 1, 1)),
                    shift.repeat_interleave(phases),
                )
            self._folded[norm.place.start] = folded
        return folded


class StatisticsRecorder(StyleCondition):
    """Normalises by the statistics of all frames of the forward together, and keeps them in `statistics`."""

    def __init__(self, style: torch.Tensor) -> None:
        super().__init__(style, style.new_zeros(2, NORM_CHANNELS))

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        kernel: Kernel = lambda w: w,
    ) -> torch.Tensor:
        """Convolve, measure, normalise."""
        y = F.conv2d(x, kernel(self.styled_kernel(weight, norm)))
        channels = y.unflatten(1, (-1, phases))
        variance, mean = torch.var_mean(channels, (0, 2, 3, 4), correction=0)
        assert self.statistics is not None  # noqa: S101 - given to the base class
        self.statistics[:, norm.place] = torch.stack([mean, variance])
        factor, shift = self.factor_and_shift(norm)
        return y * factor.repeat_interleave(phases).view(-1, 1, 1) + shift.repeat_interleave(phases).view(-1, 1, 1)
