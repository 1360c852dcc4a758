"""A frame's own statistics when it is painted in tiles: measured norm by norm, each in one pass over all tiles.

The input of a norm depends on the statistics of the norms before it, so one pass yields those of the next norm only.
That is exact but slow (13 passes, half a forward pass each on average), and used only for frames that do not fit into
memory.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.inference.tiling import ForwardFunction, ReceptiveField, TileGrid, TileSpan
from scoring.scorers.any_painting.conditional_norm import (
    NORM_CHANNELS,
    ConditionalInstanceNorm,
    KernelTransform,
    StyleCondition,
)
from scoring.scorers.any_painting.network import REACH, STRIDE

Network: TypeAlias = Callable[[torch.Tensor, StyleCondition], torch.Tensor]
"""The transformer, in any precision."""

RECEPTIVE_FIELD = ReceptiveField(reach=REACH, stride=STRIDE)


def with_frame_statistics(
    network: Network, style: torch.Tensor, frame: torch.Tensor, tiles: TileGrid
) -> ForwardFunction:
    """Return a forward function for the tiles of `frame` (1, 3, H, W) that uses the statistics of the whole frame.

    `style` is (STYLE_PARAMETERS,).
    """
    statistics = style.new_zeros(2, NORM_CHANNELS)
    measured = 0
    while measured < NORM_CHANNELS:
        probe = _StatisticsProbe(style, statistics, measured)
        for row, column in tiles:
            probe.add_tile(network, frame[:, :, row.outer, column.outer], row, column)
        measured = probe.write_statistics()
    condition = StyleCondition(style, statistics)
    return lambda x: network(x, condition)


class _NormReachedError(Exception):
    """Ends a forward pass at the norm that it measures.

    Layers after that norm would need its statistics, which are not known before all tiles have passed. The exception
    leaves the network from within `convolve` without changing the network's code.
    """


class _StatisticsProbe(StyleCondition):
    """Uses the statistics of the first norms and sums up the input of the next one over all tiles."""

    def __init__(self, style: torch.Tensor, statistics: torch.Tensor, measured: int) -> None:
        """`statistics` (2, NORM_CHANNELS) hold those of the first `measured` channels; the probe writes the next."""
        super().__init__(style, statistics)
        self._target = statistics
        self._measured = measured
        self._tile: tuple[int, TileSpan, TileSpan]
        self._channels = slice(measured, measured)
        self._sums: list[torch.Tensor] = []

    def add_tile(self, network: Network, tile: torch.Tensor, row: TileSpan, column: TileSpan) -> None:
        """Add the kept part of a tile to the sums."""
        self._tile = tile.shape[2], row, column
        with suppress(_NormReachedError):
            network(tile, self)

    def write_statistics(self) -> int:
        """Write the norm's mean and variance into the statistics; return the number of channels measured so far."""
        count, total, squares = torch.stack(self._sums).sum(0)
        mean = total / count
        self._target[:, self._channels] = torch.stack([mean, squares / count - mean.square()]).to(self._target)
        return self._channels.stop

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        transform: KernelTransform = lambda kernel: kernel,
    ) -> torch.Tensor:
        """Convolve and normalize before the measured norm; there, convolve, sum up and end the pass."""
        if norm.channels.start < self._measured:
            return super().convolve(x, weight, norm, phases=phases, transform=transform)
        y = F.conv2d(x, transform(self.styled_kernel(weight, norm)))
        height, row, column = self._tile
        step = height // y.shape[2]
        kept = y[:, :, row.inside(step), column.inside(step)].unflatten(1, (-1, phases)).float()
        dimensions = (0, 2, 3, 4)
        total, squares = (values.sum(dimensions, dtype=torch.float64) for values in (kept, kept.square()))
        self._channels = norm.channels
        self._sums.append(torch.stack([torch.full_like(total, kept[:, 0].numel()), total, squares]))
        raise _NormReachedError
