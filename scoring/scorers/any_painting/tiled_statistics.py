"""A frame's own statistics when it is painted in tiles: measured norm by norm, each in a pass over all tiles.

The input of a norm depends on the statistics of the norms before it, so one pass knows those of the next norm only.
That is slow (13 passes, half a forward each in the mean) and exact, and only for frames that memory can't hold.
"""

# mypy: disallow-subclassing-any=False
# (torch is not installed where mypy runs)

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

from scoring.inference.tiling import ForwardFunction, ReceptiveField, TileGrid, TileSpan
from scoring.scorers.any_painting.conditional_norm import NORM_CHANNELS, ConditionalInstanceNorm, Kernel, StyleCondition
from scoring.scorers.any_painting.network import REACH, STRIDE

Network: TypeAlias = Callable[[torch.Tensor, StyleCondition], torch.Tensor]
"""The transformer, in whatever precision."""

RECEPTIVE_FIELD = ReceptiveField(reach=REACH, stride=STRIDE)


def localised(network: Network, style: torch.Tensor, frame: torch.Tensor, tiles: TileGrid) -> ForwardFunction:
    """Give a forward for the tiles of `frame` (1, 3, H, W), with the statistics of the whole frame.

    `style` is (STYLE_NUMBERS,).
    """
    statistics = style.new_zeros(2, NORM_CHANNELS)
    known = 0
    while known < NORM_CHANNELS:
        probe = _Probe(style, statistics, known)
        for row, column in tiles:
            probe.look_at(network, frame[:, :, row.outer, column.outer], row, column)
        known = probe.note()
    brush = StyleCondition(style, statistics)
    return lambda x: network(x, brush)


class _PassEndsError(Exception):
    """The norm that this pass is for has been reached."""


class _Probe(StyleCondition):
    """Knows the statistics of the first norms, and sums up what comes in at the next."""

    def __init__(self, style: torch.Tensor, statistics: torch.Tensor, known: int) -> None:
        super().__init__(style, statistics)
        self._known = known
        self._tile: tuple[int, TileSpan, TileSpan]
        self._place = slice(known, known)
        self._sums: list[torch.Tensor] = []

    def look_at(self, network: Network, tile: torch.Tensor, row: TileSpan, column: TileSpan) -> None:
        """Add what the tile keeps of the frame to the sums."""
        self._tile = tile.shape[2], row, column
        with suppress(_PassEndsError):
            network(tile, self)

    def note(self) -> int:
        """Write the norm's mean and variance into the statistics; give the number of channels known now."""
        count, total, squares = torch.stack(self._sums).sum(0)
        mean = total / count
        assert self.statistics is not None  # noqa: S101 - given to the base class
        self.statistics[:, self._place] = torch.stack([mean, squares / count - mean.square()]).to(self.statistics)
        return self._place.stop

    def convolve(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        norm: ConditionalInstanceNorm,
        *,
        phases: int = 1,
        kernel: Kernel = lambda w: w,
    ) -> torch.Tensor:
        """Convolve and normalise up to the next norm; there, convolve, sum up and end the pass."""
        if norm.place.start < self._known:
            return super().convolve(x, weight, norm, phases=phases, kernel=kernel)
        y = F.conv2d(x, kernel(self.styled_kernel(weight, norm)))
        height, row, column = self._tile
        step = height // y.shape[2]
        kept = y[:, :, row.inside(step), column.inside(step)].unflatten(1, (-1, phases)).float()
        over = (0, 2, 3, 4)
        total, squares = kept.sum(over, dtype=torch.float64), kept.square().sum(over, dtype=torch.float64)
        self._place = norm.place
        self._sums.append(torch.stack([torch.full_like(total, kept[:, 0].numel()), total, squares]))
        raise _PassEndsError
