"""The network that repaints frames in a style, as Magenta built it (Ghiasi et al. 2017, arXiv:1705.06830).

All tensors are float NCHW, RGB in 0..1. Nothing here knows of files, devices or uint8.
"""

# mypy: disallow-subclassing-any=False
# (torch is not installed where mypy runs)

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)
from torch import nn

from scoring.scorers.any_painting.conditional_norm import (
    NORM_CHANNELS,
    ConditionalInstanceNorm,
    StatisticsRecorder,
    StyleCondition,
    style_of,
)
from scoring.scorers.any_painting.space_to_depth import phase_kernel, reflect_phases

STRIDE: Final = 4
"""The network halves twice and doubles twice."""
SMALLEST_SIDE: Final = 8
"""Pixels: below it the inner reflections have nothing to reflect."""
REACH: Final = 64
"""Pixels around a place that its colour depends on when statistics are given: less than this, a multiple of 4."""


class Contract(nn.Module):
    """(B, 3, H, W) -> (B, 32, H/4, W/4): a 9x9 convolution and two of stride 2, the first two in phases."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 9)
        self.conv2 = nn.Conv2d(8, 16, 3, 2)
        self.conv3 = nn.Conv2d(16, 32, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map frames in 0..1 to features."""
        x = F.pixel_unshuffle(F.pad(x, (4, 4, 4, 4), mode="reflect"), 2)
        kernel = phase_kernel(self.conv1.weight, outputs=2, inputs=2)
        x = F.relu(F.conv2d(x, kernel, self.conv1.bias.repeat_interleave(4)))
        # Reflected by one pixel, an odd position lies in the block beside it: in phases that repeats the edge.
        x = F.pad(x, (1, 0, 1, 0), mode="replicate")
        x = F.relu(F.conv2d(x, phase_kernel(self.conv2.weight, outputs=1, inputs=2), self.conv2.bias))
        return F.relu(self.conv3(F.pad(x, (1, 1, 1, 1), mode="reflect")))


class Residual(nn.Module):
    """Two 3x3 convolutions with style norms, added to the input; (B, 32, h, w) -> the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(32, 32, 3, bias=False), ConditionalInstanceNorm(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 32, 3, bias=False), ConditionalInstanceNorm(32)

    def forward(self, x: torch.Tensor, brush: StyleCondition) -> torch.Tensor:
        """Map features (B, 32, h, w) to features."""
        y = F.relu(brush.convolve(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.conv1.weight, self.norm1))
        return x + brush.convolve(F.pad(y, (1, 1, 1, 1), mode="reflect"), self.conv2.weight, self.norm2)


class Expand(nn.Module):
    """(B, 32, H/4, W/4) -> (B, 3, H, W) in 0..1: two doublings with 3x3 convolutions, then a 9x9, all in phases."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(32, 16, 3, bias=False), ConditionalInstanceNorm(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 8, 3, bias=False), ConditionalInstanceNorm(8)
        self.conv3, self.norm3 = nn.Conv2d(8, 3, 9, bias=False), ConditionalInstanceNorm(3)

    def forward(self, x: torch.Tensor, brush: StyleCondition) -> torch.Tensor:
        """Map features to frames."""
        x = F.relu(_doubled(x, self.conv1.weight, self.norm1, brush))
        x = F.relu(_doubled(F.pixel_shuffle(x, 2), self.conv2.weight, self.norm2, brush))
        x = brush.convolve(reflect_phases(x, 2), self.conv3.weight, self.norm3, phases=4, kernel=_in_phases)
        return F.pixel_shuffle(torch.sigmoid(x), 2)


class StyleTransferNet(nn.Module):
    """Repaint frames: (B, 3, H, W) in 0..1 and a brush -> (B, 3, H, W) in 0..1.

    H and W must be multiples of `STRIDE` and at least `SMALLEST_SIDE`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contract = Contract()
        self.residuals = nn.ModuleList(Residual() for _ in range(5))
        self.expand = Expand()
        channels, numbers = 0, 2 * NORM_CHANNELS
        for kernel, norm in self._bent():
            norm.place = slice(channels, channels + len(kernel))
            norm.change = slice(numbers, numbers + kernel.numel())
            channels, numbers = norm.place.stop, norm.change.stop

    def forward(self, frames: torch.Tensor, brush: StyleCondition) -> torch.Tensor:
        """Repaint `frames` with `brush`."""
        x = self.contract(frames)
        for residual in self.residuals:
            x = residual(x, brush)
        return self.expand(x, brush)

    def style(self, vector: torch.Tensor) -> torch.Tensor:
        """Map a style vector (100,) to a style (`STYLE_NUMBERS`,) that leaves the kernels as they are."""
        parts = [torch.stack([norm.gamma(vector), norm.beta(vector)]) for _, norm in self._bent()]
        return style_of(torch.cat(parts, dim=1))

    def measure(self, frames: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Give the statistics (2, `NORM_CHANNELS`) of all norms over `frames` together, painted in this style."""
        brush = StatisticsRecorder(style)
        self(frames, brush)
        assert brush.statistics is not None  # noqa: S101 - a MeasuringBrush has them
        return brush.statistics

    def _bent(self) -> list[tuple[torch.Tensor, ConditionalInstanceNorm]]:
        """Give the kernels that a style bends, each with the norm behind it."""
        last = self.expand
        inner = [(r.conv1, r.norm1, r.conv2, r.norm2) for r in self.residuals]
        pairs = [pair for c1, n1, c2, n2 in inner for pair in ((c1, n1), (c2, n2))]
        pairs += [(last.conv1, last.norm1), (last.conv2, last.norm2), (last.conv3, last.norm3)]
        return [(conv.weight, norm) for conv, norm in pairs]


def _doubled(
    x: torch.Tensor, weight: torch.Tensor, norm: ConditionalInstanceNorm, brush: StyleCondition
) -> torch.Tensor:
    """Double (nearest), reflect by one pixel, convolve with (O, I, 3, 3): (B, I, h, w) -> (B, 4O, h, w) in phases."""
    # The pixel beside the border of a doubled picture equals the border pixel: reflecting it repeats the edge.
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return brush.convolve(x, weight, norm, phases=4, kernel=_to_phases)


def _to_phases(weight: torch.Tensor) -> torch.Tensor:
    """Give the phase form of a kernel behind a doubling."""
    return phase_kernel(weight, outputs=2, inputs=1)


def _in_phases(weight: torch.Tensor) -> torch.Tensor:
    """Give the phase form of a kernel between pictures in phases."""
    return phase_kernel(weight, outputs=2, inputs=2)
