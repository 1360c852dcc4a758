"""The network for one style with given statistics, in the form that suits a CPU; equal to `StyleTransferNet`.

Beside the folded norms, what differs is the order of pixels in memory, so that each convolution's channels fill the
processor's registers, and that nothing is computed twice: not the same product for equal neighbors in a doubled
picture, not the kernels for each frame, and no pass over memory for what a convolution can do where its result leaves.
"""

from typing import Final
from weakref import WeakKeyDictionary

import torch
from torch import nn

from scoring.inference.fused import convolve_and_activate, convolve_and_add
from scoring.inference.padding import pad
from scoring.inference.pixel_phases import (
    Positions,
    as_channels,
    as_pictures,
    block_kernel,
    doubled,
    doubled_in_blocks,
    doubling_kernel,
    from_blocks,
    gather,
    padded,
)
from scoring.scorers.any_painting.conditional_norm import ConditionalInstanceNorm, KernelTransform, StyleCondition
from scoring.scorers.any_painting.network import STRIDE, Expand, Residual, StyleTransferNet

Convolution = tuple[torch.Tensor, torch.Tensor]
"""Kernel and bias."""

_WIDE: Final = 4
"""Pixels by which the 9x9 convolutions reach over the edge."""
_LAST_BLOCK: Final = (2, 4)
"""Rows and columns of a block in which the last convolution works: its three channels are 24 then."""


class FoldedNetwork:
    """Paints frames on a CPU: (B, 3, H, W) in 0..1, H and W as for `StyleTransferNet`, to the same. Thread-safe."""

    def __init__(self, network: StyleTransferNet, condition: StyleCondition) -> None:
        """`condition` has statistics, and `network` no gradients."""
        contract, expand = network.contract, network.expand
        self._first = block_kernel(contract.conv1.weight, 1, 2), _bias(contract.conv1).repeat(2)
        self._halve = [(conv.weight, _bias(conv)) for conv in (contract.conv2, contract.conv3)]
        self._residuals = [_fold_residual(block, condition) for block in network.residuals]
        self._double = _fold_doublings(expand, condition)
        self._last = _folded(
            condition, expand.conv3, expand.norm3, lambda kernel: block_kernel(kernel, *_LAST_BLOCK), phases=8
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Paint frames."""
        height, width = (int(side) // STRIDE for side in x.shape[2:])
        features = self._contract(x)
        around = padded(height, width, "reflect")
        for first, second in self._residuals:
            y = convolve_and_activate(_gathered(as_pictures(features), around), *first, "relu")
            convolve_and_add(features, _gathered(as_pictures(y), around), *second)
        return self._expand(features, height, width)

    def _contract(self, x: torch.Tensor) -> torch.Tensor:
        """Map frames to features, (B, 32, H/4, W/4)."""
        wide = as_pictures(pad(x, (_WIDE, _WIDE, _WIDE, _WIDE), "reflect")).contiguous()
        pairs = wide.unflatten(2, (-1, 2)).flatten(3)
        y = as_pictures(convolve_and_activate(as_channels(pairs), *self._first, "relu"))
        x = as_channels(y.unflatten(3, (2, -1)).flatten(2, 3))
        for kernel, bias in self._halve:
            x = convolve_and_activate(pad(x, (1, 0, 1, 0), "reflect"), kernel, bias, "relu", stride=2)
        return x

    def _expand(self, features: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Map features, (B, 32, height, width), to frames."""
        first, second = self._double
        x = _gathered(as_pictures(features), padded(height, width, "replicate"))
        phases = convolve_and_activate(x, *first, "relu")
        phases = convolve_and_activate(_gathered(_by_phase(phases), doubled(height, width)), *second, "relu")
        blocks = gather(_by_phase(phases), doubled_in_blocks(2 * height, 2 * width, *_LAST_BLOCK, _WIDE))
        painted = convolve_and_activate(as_channels(blocks.flatten(3)), *self._last, "sigmoid")
        return as_channels(from_blocks(as_pictures(painted), *_LAST_BLOCK))


def _gathered(pictures: torch.Tensor, positions: Positions) -> torch.Tensor:
    """Return (B, C, H, W) of the pixels of `pictures` (B, ..., C) at these positions."""
    return as_channels(gather(pictures, positions))


def _by_phase(x: torch.Tensor) -> torch.Tensor:
    """View (B, 4C, h, w) as (B, h, w, 4, C)."""
    phases: torch.Tensor = as_pictures(x).unflatten(3, (4, -1))
    return phases


class FoldedNetworks:
    """The folded network of each condition, kept as long as the condition; two threads may make it, both alike."""

    def __init__(self, network: StyleTransferNet) -> None:
        self._network = network
        self._made: WeakKeyDictionary[StyleCondition, FoldedNetwork] = WeakKeyDictionary()

    def __call__(self, condition: StyleCondition) -> FoldedNetwork:
        """Return the folded network of a condition; frames of equal style share the condition (see `style_at`)."""
        folded = self._made.get(condition)
        if folded is None:
            folded = self._made[condition] = FoldedNetwork(self._network, condition)
        return folded


def _fold_residual(block: nn.Module, condition: StyleCondition) -> tuple[Convolution, Convolution]:
    assert isinstance(block, Residual)  # noqa: S101 - set in StyleTransferNet
    return _folded(condition, block.conv1, block.norm1), _folded(condition, block.conv2, block.norm2)


def _fold_doublings(expand: Expand, condition: StyleCondition) -> tuple[Convolution, Convolution]:
    return (
        _folded(condition, expand.conv1, expand.norm1, doubling_kernel, phases=4),
        _folded(condition, expand.conv2, expand.norm2, doubling_kernel, phases=4),
    )


def _folded(
    condition: StyleCondition,
    conv: nn.Conv2d,
    norm: ConditionalInstanceNorm,
    transform: KernelTransform = torch.Tensor.contiguous,
    *,
    phases: int = 1,
) -> Convolution:
    kernel, shift = condition.folded(conv.weight, norm)
    return transform(kernel), shift.repeat(phases)


def _bias(conv: nn.Conv2d) -> torch.Tensor:
    assert conv.bias is not None  # noqa: S101 - set in Contract
    return conv.bias
