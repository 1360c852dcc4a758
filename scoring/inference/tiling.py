"""Run a network within the available memory: on out-of-memory, halve the batch, then fall back to seamless tiling.

The memory of a forward pass grows with its number of pixels. When memory runs out, half as many pixels are tried, and
the limit that works is kept for the rest of the task. Each tile extends beyond its kept part by the network's receptive
field, so the tiled picture equals the whole one up to rounding. This requires a network whose output depends only on
the surroundings of a pixel: its norms must use given statistics.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import torch

from frame_tools.contracts.errors import TemporaryError

ForwardFunction: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""A forward pass: maps (B, C, H, W) to (B, C, H, W)."""

MIN_CORE_SIDE: Final = 64
"""Pixels: a tile that keeps less than this on a side is mostly overlap."""
CPU_PIXELS: Final = 5_000_000
"""Pixel limit on a CPU, which does not report out-of-memory as a GPU does: half of a 3840x2160 frame with overlap, for
which the any-painting network takes about 1.2 GB on each core in use."""

_OUT_OF_MEMORY_MESSAGES: Final = ("out of memory", "_ALLOC_FAILED", "unable to find an engine")
"""Parts of the messages of other errors: CUDA's, cuDNN's and cuBLAS's, and PyTorch's when no convolution algorithm fits
into memory (it skips those that do not: https://github.com/pytorch/pytorch/issues/108645)."""

_log = logging.getLogger(__name__)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether the device ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or any(part in str(error) for part in _OUT_OF_MEMORY_MESSAGES)


@dataclass(frozen=True)
class TileSpan:
    """Extent of a tile along one side, in pixels: [outer_start, outer_end) is computed, [start, end) of it is kept."""

    start: int
    end: int
    outer_start: int
    outer_end: int

    @property
    def outer(self) -> slice:
        """The computed part, in the frame."""
        return slice(self.outer_start, self.outer_end)

    @property
    def kept(self) -> slice:
        """The kept part, in the frame."""
        return slice(self.start, self.end)

    def inside(self, step: int = 1) -> slice:
        """Return the kept part, in the tile, where one value covers `step` pixels."""
        return slice((self.start - self.outer_start) // step, (self.end - self.outer_start) // step)


@dataclass(frozen=True)
class TileGrid:
    """Rows and columns of tiles, whose kept parts cover a frame exactly once."""

    rows: tuple[TileSpan, ...]
    columns: tuple[TileSpan, ...]

    def __iter__(self) -> Iterator[tuple[TileSpan, TileSpan]]:
        return ((row, column) for row in self.rows for column in self.columns)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def pixels(self) -> int:
        """Number of pixels of the largest tile."""
        return _longest(self.rows) * _longest(self.columns)


TileAdapter: TypeAlias = Callable[[torch.Tensor, TileGrid], ForwardFunction]
"""Returns, for a frame (1, C, H, W) and its tiles, a forward pass that is correct for each tile alone."""


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive field of a network, in pixels: how far around a pixel it looks, and the grid on which it works."""

    reach: int
    """A multiple of `stride`."""
    stride: int


def tile_grid(height: int, width: int, limit: int, receptive_field: ReceptiveField) -> TileGrid:
    """Split a frame into tiles of at most `limit` pixels, halving the longer sides until they fit.

    `height` and `width` are multiples of the stride. Raises TemporaryError if the tiles would be too small.
    """
    rows = columns = 1
    while (tiles := _grid(height, rows, width, columns, receptive_field)).pixels > limit:
        if max(height / rows, width / columns) < 2 * MIN_CORE_SIDE:
            raise TemporaryError(
                f"The device has not enough memory for a tile of {tiles.pixels} pixels",
                "Check that no other program uses the device, or use one with more memory",
            )
        if height / rows >= width / columns:
            rows *= 2
        else:
            columns *= 2
    return tiles


def _grid(height: int, rows: int, width: int, columns: int, receptive_field: ReceptiveField) -> TileGrid:
    return TileGrid(_spans(height, rows, receptive_field), _spans(width, columns, receptive_field))


def _spans(side: int, count: int, receptive_field: ReceptiveField) -> tuple[TileSpan, ...]:
    stride, reach = receptive_field.stride, receptive_field.reach
    cells = side // stride
    edges = [cells * i // count * stride for i in range(count + 1)]
    return tuple(TileSpan(start, end, max(0, start - reach), min(side, end + reach)) for start, end in pairwise(edges))


def _longest(spans: tuple[TileSpan, ...]) -> int:
    return max(span.outer_end - span.outer_start for span in spans)


class MemoryBoundedRunner:
    """Runs forward passes within the available memory; one per task, thread-safe."""

    def __init__(self, receptive_field: ReceptiveField, *, limit: int | None = None) -> None:
        """`limit`: initial maximum number of pixels in one forward pass; None for no limit."""
        self._receptive_field = receptive_field
        self._limit = limit
        self._logged: set[str] = set()
        self._changing = threading.Lock()

    def __call__(
        self, forward: ForwardFunction, x: torch.Tensor, *, tile_adapter: TileAdapter | None = None
    ) -> torch.Tensor:
        """Map (B, C, H, W) float to the same shape by `forward`; H and W are multiples of the stride.

        `tile_adapter` is needed if `forward` on a part of a frame is not that part of `forward` on the frame. Raises
        TemporaryError if not even small tiles fit into memory.
        """
        while True:
            limit = self._limit
            tried = self._largest_forward(x, limit)
            try:
                return self._run(limit, forward, x, tile_adapter)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).split(". ")[0]
            # Outside of `except`, where nothing references the tensors of the failed call any more.
            self._lower_limit(tried, reason)

    def _largest_forward(self, x: torch.Tensor, limit: int | None) -> int:
        """Return the number of pixels of the largest forward pass for `x`."""
        frames, height, width = int(x.shape[0]), int(x.shape[2]), int(x.shape[3])
        if limit is None or frames * height * width <= limit:
            return frames * height * width
        if height * width <= limit:
            return limit // (height * width) * height * width
        return tile_grid(height, width, limit, self._receptive_field).pixels

    def _lower_limit(self, tried: int, reason: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        with self._changing:
            self._limit = min(tried // 2, self._limit or tried)
        _log.warning("%s: forward passes are limited to %d pixels from now on", reason, self._limit)

    def _run(
        self, limit: int | None, forward: ForwardFunction, x: torch.Tensor, tile_adapter: TileAdapter | None
    ) -> torch.Tensor:
        frames, _, height, width = x.shape
        if limit is None or frames * height * width <= limit:
            return forward(x)
        if height * width <= limit:
            group = limit // (height * width)
            self._warn_once(f"{group} frames in one forward pass instead of {frames}: more do not fit into memory")
            return torch.cat([forward(part) for part in torch.split(x, group)])
        tiles = tile_grid(height, width, limit, self._receptive_field)
        self._warn_once(f"Frames of {width}x{height} pass through the network in {len(tiles)} overlapping tiles")
        return torch.cat(
            [
                _forward_tiled(forward if tile_adapter is None else tile_adapter(frame, tiles), frame, tiles)
                for frame in torch.split(x, 1)
            ]
        )

    def _warn_once(self, message: str) -> None:
        """Log each message once."""
        with self._changing:
            if message in self._logged:
                return
            self._logged.add(message)
        _log.warning(message)


def _forward_tiled(forward: ForwardFunction, frame: torch.Tensor, tiles: TileGrid) -> torch.Tensor:
    """Map one frame tile by tile."""
    whole = torch.empty_like(frame)
    for row, column in tiles:
        tile = forward(frame[:, :, row.outer, column.outer])
        whole[:, :, row.kept, column.kept] = tile[:, :, row.inside(), column.inside()]
    return whole
