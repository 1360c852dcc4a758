"""The network that maps a painting to a style vector: Magenta's architecture (Ghiasi et al. 2017, arXiv:1705.06830)."""

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from torch import nn

STYLE_SIZE: Final = 100
"""Length of a style vector."""
PAINTING_SIDE: Final = 256
"""Pixels: side of the squares that the network was trained on."""

# MobileNet v2 (https://arxiv.org/abs/1801.04381, table 2): expansion, channels, repeats, stride of the first block.
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
    """The block of MobileNet v2: widen (1x1), filter each channel (3x3), narrow (1x1)."""

    __call__: Callable[..., torch.Tensor]

    def __init__(self, channels_in: int, channels_out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.expand = nn.Conv2d(channels_in, wide, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(wide, wide, 3, stride, padding=2 - stride, groups=wide)
        self.project = nn.Conv2d(wide, channels_out, 1)
        self.is_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, channels_in, h, w) to (B, channels_out, h / stride, w / stride)."""
        y: torch.Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = F.relu6(self.depthwise(_pad_for_stride(y, self.depthwise.stride[0])))
        y = self.project(y)
        return x + y if self.is_residual else y


class Predictor(nn.Module):
    """MobileNet v2 and one linear layer: (B, 3, 256, 256), a painting in 0..1 -> (B, 100), its style vector."""

    __call__: Callable[..., torch.Tensor]

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
        return F.linear(x.mean((2, 3)), self.style.weight)


def _pad_for_stride(x: torch.Tensor, stride: int) -> torch.Tensor:
    """Pad like TensorFlow's SAME for a 3x3 kernel of stride 2 on even sizes: right and bottom only."""
    return F.pad(x, (0, 1, 0, 1)) if stride == 2 else x
