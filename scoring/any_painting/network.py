"""The two networks of arbitrary stylisation, as Magenta built them (Ghiasi et al. 2017, arXiv:1705.06830).

`Predictor` turns a painting into a style vector; `Transformer` repaints frames with it. All tensors are float NCHW,
RGB in 0..1. Nothing here knows of files, devices or uint8.
"""

# mypy: disallow-subclassing-any=False
# (torch is not installed where mypy runs)

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)
from torch import nn

from scoring.any_painting.phases import phase_kernel, reflect_phases

STYLE_SIZE = 100  # numbers in a style vector
PAINTING_SIDE = 256  # pixels: the predictor was trained on squares of this side
STRIDE = 4  # the transformer halves twice and doubles twice
SMALLEST_SIDE = 8  # pixels: below it the inner reflections have nothing to reflect
NORM_CHANNELS = 5 * 2 * 32 + 16 + 8 + 3
"""Channels of all norms together; a style is two numbers for each."""
REACH = 64
"""Pixels around a place that its colour depends on when statistics are given: less than this, a multiple of 4."""

_EPS = 1e-5
Kernel: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

# MobileNet v2 (https://arxiv.org/abs/1801.04381, table 2): expansion, channels, repeats, stride of the first.
_MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """MobileNet v2's block: widen (1x1), filter each channel (3x3), narrow (1x1)."""

    def __init__(self, channels_in: int, channels_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = nn.Conv2d(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(wide, wide, 3, stride, padding=2 - stride, groups=wide)
        self.project = nn.Conv2d(wide, channels_out, 1)
        self.is_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels_in, h, w) to (B, channels_out, h / stride, w / stride)."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(_pad_for_stride(y, self.depthwise.stride[0]))))
        return x + y if self.is_residual else y


class Predictor(nn.Module):
    """MobileNet v2 and one linear layer: (B, 3, 256, 256), a painting in 0..1 -> (B, 100), its style vector."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2)
        blocks, channels = [], 32
        for expansion, width, repeats, first_stride in _MOBILENET_STAGES:
            for i in range(repeats):
                stride = first_stride if i == 0 else 1
                blocks.append(InvertedResidual(channels, width, expansion=expansion, stride=stride))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Conv2d(channels, 1280, 1)
        self.style = nn.Linear(1280, STYLE_SIZE, bias=False)

    def forward(self, painting: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, 256, 256) to (B, 100)."""
        x = F.relu6(self.stem(_pad_for_stride(painting, 2)))
        x = F.relu6(self.head(self.blocks(x)))
        return self.style(x.mean((2, 3)))


class StyleNorm(nn.Module):
    """Where a style enters: scale and shift of each channel are linear in the style vector."""

    place: slice
    """Its channels among those of all norms; set by the transformer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Linear(STYLE_SIZE, channels)
        self.beta = nn.Linear(STYLE_SIZE, channels)


class Brush:
    """What the norms of one forward are told: a style, and what to normalise by.

    `style` is (2, `NORM_CHANNELS`): scale and shift. Without `statistics` each channel of each frame is normalised by
    its own mean and variance; with them, (2, `NORM_CHANNELS`), by those: then a norm is a fixed product and sum, which
    is folded into the convolution before it, and frames, or parts of a frame, no longer change each other's look.
    """

    def __init__(self, style: torch.Tensor, statistics: torch.Tensor | None = None) -> None:
        self.style = style
        self.statistics = statistics
        self._folded: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, norm: StyleNorm, *, phases: int = 1, kernel: Kernel = lambda w: w
    ) -> torch.Tensor:
        """Convolve `x` with `kernel(weight)` and normalise each channel over all its phases."""
        if self.statistics is not None:
            return F.conv2d(x, *self._fold(weight, norm, phases, kernel))
        y = F.conv2d(x, kernel(weight))
        scale, shift = self.style[:, norm.place].repeat_interleave(phases, 1)
        return F.group_norm(y, y.shape[1] // phases, scale, shift, eps=_EPS)

    def _fold(
        self, weight: torch.Tensor, norm: StyleNorm, phases: int, kernel: Kernel
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the kernel and bias that convolve and normalise at once; made once, whichever thread comes first."""
        folded = self._folded.get(norm.place.start)
        if folded is None:
            # In float32 whatever the forward runs in: it is kept for the next one, which may run in another.
            with torch.autocast(weight.device.type, enabled=False):
                scale, shift = _product_and_sum(self.style, self.statistics, norm.place)
                folded = kernel(weight * scale.view(-1, 1, 1, 1)), shift.repeat_interleave(phases)
            self._folded[norm.place.start] = folded
        return folded


class MeasuringBrush(Brush):
    """Normalises by the statistics of all frames of the forward together, and keeps them in `statistics`."""

    def __init__(self, style: torch.Tensor) -> None:
        super().__init__(style, torch.zeros_like(style))

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, norm: StyleNorm, *, phases: int = 1, kernel: Kernel = lambda w: w
    ) -> torch.Tensor:
        """Convolve, measure, normalise."""
        y = F.conv2d(x, kernel(weight))
        channels = y.unflatten(1, (-1, phases))
        variance, mean = torch.var_mean(channels, (0, 2, 3, 4), correction=0)
        assert self.statistics is not None  # noqa: S101 - given to the base class
        self.statistics[:, norm.place] = torch.stack([mean, variance])
        scale, shift = _product_and_sum(self.style, self.statistics, norm.place)
        return y * scale.repeat_interleave(phases).view(-1, 1, 1) + shift.repeat_interleave(phases).view(-1, 1, 1)


def _product_and_sum(
    style: torch.Tensor, statistics: torch.Tensor | None, place: slice
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what a normalised channel is multiplied by, and what is then added."""
    assert statistics is not None  # noqa: S101 - the caller looked
    scale, shift = style[:, place]
    mean, variance = statistics[:, place]
    factor = scale * (variance + _EPS).rsqrt()
    return factor, shift - mean * factor


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
        self.conv1, self.norm1 = nn.Conv2d(32, 32, 3, bias=False), StyleNorm(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 32, 3, bias=False), StyleNorm(32)

    def forward(self, x: torch.Tensor, brush: Brush) -> torch.Tensor:
        """Map features (B, 32, h, w) to features."""
        y = F.relu(brush.convolve(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.conv1.weight, self.norm1))
        return x + brush.convolve(F.pad(y, (1, 1, 1, 1), mode="reflect"), self.conv2.weight, self.norm2)


class Expand(nn.Module):
    """(B, 32, H/4, W/4) -> (B, 3, H, W) in 0..1: two doublings with 3x3 convolutions, then a 9x9, all in phases."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(32, 16, 3, bias=False), StyleNorm(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 8, 3, bias=False), StyleNorm(8)
        self.conv3, self.norm3 = nn.Conv2d(8, 3, 9, bias=False), StyleNorm(3)

    def forward(self, x: torch.Tensor, brush: Brush) -> torch.Tensor:
        """Map features to frames."""
        x = F.relu(_doubled(x, self.conv1.weight, self.norm1, brush))
        x = F.relu(_doubled(F.pixel_shuffle(x, 2), self.conv2.weight, self.norm2, brush))
        x = brush.convolve(reflect_phases(x, 2), self.conv3.weight, self.norm3, phases=4, kernel=_in_phases)
        return F.pixel_shuffle(torch.sigmoid(x), 2)


class Transformer(nn.Module):
    """Repaint frames: (B, 3, H, W) in 0..1 and a brush -> (B, 3, H, W) in 0..1.

    H and W must be multiples of `STRIDE` and at least `SMALLEST_SIDE`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contract = Contract()
        self.residuals = nn.ModuleList(Residual() for _ in range(5))
        self.expand = Expand()
        start = 0
        for norm in self._norms():
            norm.place = slice(start, start + norm.gamma.out_features)
            start = norm.place.stop

    def forward(self, frames: torch.Tensor, brush: Brush) -> torch.Tensor:
        """Repaint `frames` with `brush`."""
        x = self.contract(frames)
        for residual in self.residuals:
            x = residual(x, brush)
        return self.expand(x, brush)

    def style(self, vector: torch.Tensor) -> torch.Tensor:
        """Map a style vector (100,) to a style (2, `NORM_CHANNELS`), scales and shifts; styles mix by weighted sums."""
        parts = [torch.stack([norm.gamma(vector), norm.beta(vector)]) for norm in self._norms()]
        return torch.cat(parts, dim=1)

    def measure(self, frames: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Give the statistics (2, `NORM_CHANNELS`) of all norms over `frames` together, painted in this style."""
        brush = MeasuringBrush(style)
        self(frames, brush)
        assert brush.statistics is not None  # noqa: S101 - a MeasuringBrush has them
        return brush.statistics

    def _norms(self) -> list[StyleNorm]:
        return [module for module in self.modules() if isinstance(module, StyleNorm)]


def _pad_for_stride(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Pad as TensorFlow's SAME does for a 3x3 kernel of stride 2 on even sizes: right and bottom only."""
    return F.pad(x, (0, 1, 0, 1)) if stride == 2 else x


def _doubled(x: torch.Tensor, weight: torch.Tensor, norm: StyleNorm, brush: Brush) -> torch.Tensor:
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
