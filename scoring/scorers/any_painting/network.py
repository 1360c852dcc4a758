"""The network that paints frames in a style, with Magenta's architecture (Ghiasi et al. 2017, arXiv:1705.06830).

All tensors are float NCHW, RGB in 0..1. Files, devices and uint8 are handled elsewhere.
"""

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from torch import nn

from scoring.inference.padding import depth_to_space, pad, space_to_depth
from scoring.inference.space_to_depth import polyphase_kernel, reflect_pad_polyphase
from scoring.scorers.any_painting.conditional_norm import (
    NORM_CHANNELS,
    ConditionalInstanceNorm,
    StatisticsRecorder,
    StyleCondition,
    assemble_style,
)

STRIDE: Final = 4
"""The network halves a frame twice and doubles it twice."""
MIN_SIDE: Final = 8
"""Pixels: smaller frames are too small for the reflection padding of the inner layers."""
REACH: Final = 64
"""Pixels: radius of the receptive field with given statistics, rounded up to a multiple of 4."""


class Contract(nn.Module):
    """(B, 3, H, W) -> (B, 32, H/4, W/4): a 9x9 convolution and two of stride 2, the first two in polyphase form."""

    __call__: Callable[..., torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 9)
        self.conv2 = nn.Conv2d(8, 16, 3, 2)
        self.conv3 = nn.Conv2d(16, 32, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map frames in 0..1 to features."""
        x = space_to_depth(pad(x, (4, 4, 4, 4), "reflect"))
        kernel = polyphase_kernel(self.conv1.weight, outputs=2, inputs=2)
        bias = None if self.conv1.bias is None else self.conv1.bias.repeat_interleave(4)
        x = F.relu(F.conv2d(x, kernel, bias))
        # Reflection by one pixel moves an odd position into the neighboring block: in polyphase form the edge repeats.
        x = pad(x, (1, 0, 1, 0), "replicate")
        x = F.relu(F.conv2d(x, polyphase_kernel(self.conv2.weight, outputs=1, inputs=2), self.conv2.bias))
        return F.relu(self.conv3(pad(x, (1, 1, 1, 1), "reflect")))


class Residual(nn.Module):
    """Two 3x3 convolutions with conditional norms, added to the input; (B, 32, h, w) -> the same shape."""

    __call__: Callable[..., torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(32, 32, 3, bias=False), ConditionalInstanceNorm(32)
        self.conv2, self.norm2 = nn.Conv2d(32, 32, 3, bias=False), ConditionalInstanceNorm(32)

    def forward(self, x: torch.Tensor, condition: StyleCondition) -> torch.Tensor:
        """Map features (B, 32, h, w) to features."""
        y = F.relu(condition.convolve(pad(x, (1, 1, 1, 1), "reflect"), self.conv1.weight, self.norm1))
        return x + condition.convolve(pad(y, (1, 1, 1, 1), "reflect"), self.conv2.weight, self.norm2)


class Expand(nn.Module):
    """(B, 32, H/4, W/4) -> (B, 3, H, W) in 0..1: two doublings with 3x3 convolutions, then a 9x9, all polyphase."""

    __call__: Callable[..., torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(32, 16, 3, bias=False), ConditionalInstanceNorm(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 8, 3, bias=False), ConditionalInstanceNorm(8)
        self.conv3, self.norm3 = nn.Conv2d(8, 3, 9, bias=False), ConditionalInstanceNorm(3)

    def forward(self, x: torch.Tensor, condition: StyleCondition) -> torch.Tensor:
        """Map features to frames."""
        x = F.relu(_double_and_convolve(x, self.conv1.weight, self.norm1, condition))
        x = F.relu(_double_and_convolve(depth_to_space(x), self.conv2.weight, self.norm2, condition))
        x = reflect_pad_polyphase(x, 2)
        x = condition.convolve(x, self.conv3.weight, self.norm3, phases=4, transform=_polyphase_to_polyphase)
        return depth_to_space(torch.sigmoid(x))


class StyleTransferNet(nn.Module):
    """Paints frames: (B, 3, H, W) in 0..1 and a style condition -> (B, 3, H, W) in 0..1.

    H and W must be multiples of `STRIDE` and at least `MIN_SIDE`.
    """

    __call__: Callable[..., torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.contract = Contract()
        self.residuals = nn.ModuleList(Residual() for _ in range(5))
        self.expand = Expand()
        channels, offsets = 0, 2 * NORM_CHANNELS
        for kernel, norm in self._styled_layers():
            norm.channels = slice(channels, channels + len(kernel))
            norm.kernel_offsets = slice(offsets, offsets + kernel.numel())
            channels, offsets = norm.channels.stop, norm.kernel_offsets.stop

    def forward(self, frames: torch.Tensor, condition: StyleCondition) -> torch.Tensor:
        """Paint `frames` in the style of `condition`."""
        x = self.contract(frames)
        for residual in self.residuals:
            x = residual(x, condition)
        return self.expand(x, condition)

    def style(self, vector: torch.Tensor) -> torch.Tensor:
        """Map a style vector (100,) to a style (`STYLE_PARAMETERS`,) without kernel offsets."""
        parts = [torch.stack([norm.gamma(vector), norm.beta(vector)]) for _, norm in self._styled_layers()]
        return assemble_style(torch.cat(parts, dim=1))

    def measure(self, frames: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Return the joint statistics (2, `NORM_CHANNELS`) of all norms over `frames` painted in this style."""
        recorder = StatisticsRecorder(style)
        self(frames, recorder)
        return recorder.recorded

    def _styled_layers(self) -> list[tuple[torch.Tensor, ConditionalInstanceNorm]]:
        """Return the kernels that a style changes, each with the norm after it."""
        layers: list[tuple[nn.Conv2d, ConditionalInstanceNorm]] = []
        for block in self.residuals:
            assert isinstance(block, Residual)  # noqa: S101 - set in __init__
            layers += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
        last = self.expand
        layers += [(last.conv1, last.norm1), (last.conv2, last.norm2), (last.conv3, last.norm3)]
        return [(conv.weight, norm) for conv, norm in layers]


def _double_and_convolve(
    x: torch.Tensor, weight: torch.Tensor, norm: ConditionalInstanceNorm, condition: StyleCondition
) -> torch.Tensor:
    """Double (nearest), pad by one pixel, convolve with (O, I, 3, 3): (B, I, h, w) -> (B, 4O, h, w), polyphase."""
    # The pixel next to the border of a doubled picture equals the border pixel, so reflection repeats the edge.
    x = pad(x, (1, 1, 1, 1), "replicate")
    return condition.convolve(x, weight, norm, phases=4, transform=_doubled_to_polyphase)


def _doubled_to_polyphase(kernel: torch.Tensor) -> torch.Tensor:
    """Return the polyphase form of a kernel after a doubling."""
    return polyphase_kernel(kernel, outputs=2, inputs=1)


def _polyphase_to_polyphase(kernel: torch.Tensor) -> torch.Tensor:
    """Return the polyphase form of a kernel whose input is polyphase, too."""
    return polyphase_kernel(kernel, outputs=2, inputs=2)
