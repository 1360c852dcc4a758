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
    as_channels,
    as_pictures,
    block_kernel,
    doubling_kernel,
    from_blocks,
    interleave,
    interleave_in_blocks,
    reflect_edges,
    repeat_edges,
)
from scoring.scorers.any_painting.conditional_norm import ConditionalInstanceNorm, KernelTransform, StyleCondition
from scoring.scorers.any_painting.network import Expand, Residual, StyleTransferNet

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
        x = self._contract(x)
        for first, second in self._residuals:
            y = convolve_and_activate(pad(x, (1, 1, 1, 1), "reflect"), *first, "relu")
            convolve_and_add(x, pad(y, (1, 1, 1, 1), "reflect"), *second)
        return self._expand(x)

    def _contract(self, x: torch.Tensor) -> torch.Tensor:
        """Map frames to features, (B, 32, H/4, W/4)."""
        padded = as_pictures(pad(x, (_WIDE, _WIDE, _WIDE, _WIDE), "reflect")).contiguous()
        pairs = padded.unflatten(2, (-1, 2)).flatten(3)
        wide = as_pictures(convolve_and_activate(as_channels(pairs), *self._first, "relu"))
        x = as_channels(wide.unflatten(3, (2, -1)).flatten(2, 3))
        for kernel, bias in self._halve:
            x = convolve_and_activate(pad(x, (1, 0, 1, 0), "reflect"), kernel, bias, "relu", stride=2)
        return x

    def _expand(self, x: torch.Tensor) -> torch.Tensor:
        """Map features to frames."""
        batch, _, height, width = (int(side) for side in x.shape)
        first, second = self._double
        phases = as_pictures(convolve_and_activate(pad(x, (1, 1, 1, 1), "replicate"), *first, "relu"))
        doubled = phases.new_empty(batch, 2 * height + 2, 2 * width + 2, phases.shape[3] // 4)
        interleave(phases, doubled[:, 1:-1, 1:-1])
        repeat_edges(doubled)
        phases = as_pictures(convolve_and_activate(as_channels(doubled), *second, "relu"))
        return self._paint(phases, 4 * height, 4 * width)

    def _paint(self, phases: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Apply the last convolution to the phases of a doubled picture."""
        rows, columns = _LAST_BLOCK
        outer = (height + 2 * _WIDE) // rows, (width + 2 * _WIDE) // columns
        blocks = phases.new_empty(len(phases), *outer, rows, columns, phases.shape[3] // 4)
        around_rows, around_columns = _WIDE // rows, _WIDE // columns
        interleave_in_blocks(
            phases, blocks[:, around_rows : outer[0] - around_rows, around_columns : outer[1] - around_columns]
        )
        reflect_edges(blocks, _WIDE)
        painted = convolve_and_activate(as_channels(blocks.flatten(3)), *self._last, "sigmoid")
        return as_channels(from_blocks(as_pictures(painted), rows, columns))


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
