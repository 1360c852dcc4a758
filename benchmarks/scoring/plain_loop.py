"""The plain loop: one picture after the other, float32, from file to file, as a user would write it.

`PlainNetwork` is the network of pytorch/examples, fast_neural_style (Johnson et al. 2016, arXiv:1603.08155, with
instance norms and nearest-neighbor doubling), operation by operation as published, without optimizations. Its
weights are random; they do not affect the speed. https://github.com/pytorch/examples/tree/main/fast_neural_style
"""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's usual name)
from PIL import Image
from torch import nn

CHANNELS = 3

Network = Callable[[torch.Tensor], torch.Tensor]
"""Maps (1, 3, H, W) float32 in 0..255 to the same."""


class _Conv(nn.Module):
    """Optional 2x upsampling, reflection padding, a convolution, and an instance norm."""

    def __init__(self, inputs: int, outputs: int, size: int, *, stride: int = 1, upsample: bool = False) -> None:
        super().__init__()
        self.upsample = upsample
        self.pad = nn.ReflectionPad2d(size // 2)
        self.conv = nn.Conv2d(inputs, outputs, size, stride)
        self.norm = nn.Identity() if outputs == CHANNELS else nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h', w')."""
        if self.upsample:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return cast("torch.Tensor", self.norm(self.conv(self.pad(x))))


class _Residual(nn.Module):
    """Two 3x3 convolutions of 128 channels, added to the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = _Conv(128, 128, 3), _Conv(128, 128, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 128, h, w) to the same."""
        return cast("torch.Tensor", x + self.second(F.relu(self.first(x))))


class PlainNetwork(nn.Module):
    """The published network: 1,679,235 parameters; (B, 3, H, W) in 0..255 -> (B, 3, H', W'), H' and W' of H and W
    rounded up to multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(_Conv(3, 32, 9), nn.ReLU(), _Conv(32, 64, 3, stride=2), nn.ReLU()),
            *(_Conv(64, 128, 3, stride=2), nn.ReLU()),
            *(_Residual() for _ in range(5)),
            *(_Conv(128, 64, 3, upsample=True), nn.ReLU(), _Conv(64, 32, 3, upsample=True), nn.ReLU()),
            _Conv(32, 3, 9),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Paint pictures."""
        return cast("torch.Tensor", self.layers(x))


class PlainLoop:
    """Load, score, save: one picture at a time, as the example's command `eval` does."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self._network = network
        self._device = device

    def convert(self, source: Path, target: Path) -> None:
        """Read the image file `source`, paint it, and write the image file `target`."""
        picture = np.array(Image.open(source).convert("RGB"))
        x = torch.from_numpy(picture).permute(2, 0, 1).contiguous().to(torch.float32).div(255).mul(255)
        with torch.no_grad():
            y = self._network(x[None].to(self._device)).cpu()
        out = y[0].clone().clamp(0, 255).numpy().transpose(1, 2, 0).astype("uint8")
        Image.fromarray(out).save(target)
