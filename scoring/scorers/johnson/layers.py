"""The published network as a table: the tensors that a checkpoint must hold, and the parameters of each convolution.

Johnson et al. 2016 (https://arxiv.org/abs/1603.08155) in the form of
https://github.com/pytorch/examples/blob/main/fast_neural_style/neural_style/transformer_net.py, widths 32, 64, 128.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

STRIDE: Final = 4
"""The network halves a picture twice and doubles it twice."""
MIN_SIDE: Final = 8
"""Pixels: smaller pictures are too small for the reflection padding of the inner layers."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One convolution with reflection padding, and the instance norm after it."""

    conv: str
    """Name in the checkpoint, without ".conv2d.weight"."""
    norm: str | None
    """Name in the checkpoint, without ".weight"; None after the last convolution."""
    inputs: int
    outputs: int
    size: int
    stride: int = 1
    doubled: bool = False
    """Whether its input is doubled (nearest) first."""

    @property
    def phases(self) -> int:
        """Number of phases in which each output channel is stored; see `scoring.inference.space_to_depth`."""
        return 4 if self.doubled else 1


def _residual(i: int) -> tuple[Layer, Layer]:
    first, second = (
        Layer(conv=f"res{i}.conv{k}", norm=f"res{i}.in{k}", inputs=128, outputs=128, size=3) for k in (1, 2)
    )
    return first, second


CONTRACT: Final = (
    Layer(conv="conv1", norm="in1", inputs=3, outputs=32, size=9),
    Layer(conv="conv2", norm="in2", inputs=32, outputs=64, size=3, stride=2),
    Layer(conv="conv3", norm="in3", inputs=64, outputs=128, size=3, stride=2),
)
RESIDUALS: Final = tuple(_residual(i) for i in range(1, 6))
EXPAND: Final = (
    Layer(conv="deconv1", norm="in4", inputs=128, outputs=64, size=3, doubled=True),
    Layer(conv="deconv2", norm="in5", inputs=64, outputs=32, size=3, doubled=True),
)
LAST: Final = Layer(conv="deconv3", norm=None, inputs=32, outputs=3, size=9)

LAYERS: Final = (*CONTRACT, *(layer for pair in RESIDUALS for layer in pair), *EXPAND, LAST)
NORMS: Final[Mapping[str, int]] = {layer.norm: layer.outputs for layer in LAYERS if layer.norm}
"""Name of a norm -> its number of channels."""


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a checkpoint."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in LAYERS:
        shapes[f"{layer.conv}.conv2d.weight"] = (layer.outputs, layer.inputs, layer.size, layer.size)
        shapes[f"{layer.conv}.conv2d.bias"] = (layer.outputs,)
    for norm, channels in NORMS.items():
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (channels,)
    return shapes
