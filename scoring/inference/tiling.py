"""A network within the memory there is: fewer frames at once, then one, then tiles of one, with no seam to be seen.

What a forward takes grows with its pixels. When memory runs out, half as many pixels are tried, and the limit found is
kept for the rest of the task. A tile reaches beyond the part that is kept of it as far as the network looks, so the
tiled picture is the whole one up to rounding. That asks for a network whose colours depend on their surroundings only:
one whose norms refer to statistics that are given.
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
"""Maps (B, C, H, W) to (B, C, H, W)."""

SMALLEST_CORE: Final = 64
"""Pixels: a tile that keeps less than this on a side is mostly overlap."""
CPU_PIXELS: Final = 5_000_000
"""A good limit on a CPU, where memory doesn't run out in an orderly way: half of a 3840x2160 frame and its overlap, for
which the any-painting network takes about 1.2 GB on each core that paints."""

_WANT_OF_MEMORY: Final = ("out of memory", "_ALLOC_FAILED", "unable to find an engine")
"""In the words of other errors: CUDA's own, cuDNN's and cuBLAS's, and PyTorch's when no way of convolving fits any more
(it passes over those that run out of memory: https://github.com/pytorch/pytorch/issues/108645)."""

_LOG = logging.getLogger(__name__)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether the device's memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _WANT_OF_MEMORY)


@dataclass(frozen=True)
class TileSpan:
    """Along one side: [start, end) is kept of [outer_start, outer_end), which is computed. Pixels."""

    start: int
    end: int
    outer_start: int
    outer_end: int

    @property
    def outer(self) -> slice:
        """What is computed, in the frame."""
        return slice(self.outer_start, self.outer_end)

    @property
    def kept(self) -> slice:
        """What is kept, in the frame."""
        return slice(self.start, self.end)

    def inside(self, step: int = 1) -> slice:
        """What is kept, in the tile, where one value stands for `step` pixels."""
        return slice((self.start - self.outer_start) // step, (self.end - self.outer_start) // step)


@dataclass(frozen=True)
class TileGrid:
    """A frame cut into rows and columns, whose kept parts cover it once."""

    rows: tuple[TileSpan, ...]
    columns: tuple[TileSpan, ...]

    def __iter__(self) -> Iterator[tuple[TileSpan, TileSpan]]:
        return ((row, column) for row in self.rows for column in self.columns)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def pixels(self) -> int:
        """Of the largest tile."""
        return _longest(self.rows) * _longest(self.columns)


TileAdapter: TypeAlias = Callable[[torch.Tensor, TileGrid], ForwardFunction]
"""Gives for a frame (1, C, H, W) and its tiles a forward that is right for each tile by itself."""


@dataclass(frozen=True)
class ReceptiveField:
    """How far a network looks: what it needs to know of the surroundings, and on which grid it works, in pixels."""

    reach: int
    """A multiple of `stride`."""
    stride: int


def tile_grid(height: int, width: int, limit: int, look: ReceptiveField) -> TileGrid:
    """Cut a frame into as few tiles of at most `limit` pixels as halving its longer sides gives.

    `height` and `width` are multiples of the stride. Raises TemporaryError if tiles would have to be too small.
    """
    rows = columns = 1
    while (tiles := TileGrid(_spans(height, rows, look), _spans(width, columns, look))).pixels > limit:
        if max(height / rows, width / columns) < 2 * SMALLEST_CORE:
            raise TemporaryError(
                f"The memory does not even take a tile of {tiles.pixels} pixels",
                "Is another program using the device? Otherwise use one with more memory",
            )
        if height / rows >= width / columns:
            rows *= 2
        else:
            columns *= 2
    return tiles


def _spans(side: int, parts: int, look: ReceptiveField) -> tuple[TileSpan, ...]:
    cells = side // look.stride
    edges = [cells * i // parts * look.stride for i in range(parts + 1)]
    return tuple(
        TileSpan(start, end, max(0, start - look.reach), min(side, end + look.reach)) for start, end in pairwise(edges)
    )


def _longest(spans: tuple[TileSpan, ...]) -> int:
    return max(span.outer_end - span.outer_start for span in spans)


class MemoryBoundedRunner:
    """Runs a network's forwards within the memory there is; one for each task, callable on several threads."""

    def __init__(self, look: ReceptiveField, *, limit: int | None = None) -> None:
        """`limit`: most pixels in one forward from the start; None: as many as come."""
        self._look = look
        self._limit = limit
        self._told: set[str] = set()
        self._changing = threading.Lock()

    def __call__(
        self, forward: ForwardFunction, x: torch.Tensor, *, tile_adapter: TileAdapter | None = None
    ) -> torch.Tensor:
        """Map (B, C, H, W) float to the same by `forward`; H and W are multiples of the stride.

        `localise` is needed if `forward` on a part of a frame is not the part of `forward` on the frame. Raises
        TemporaryError if not even small tiles fit.
        """
        while True:
            limit = self._limit
            tried = self._pixels(x, limit)
            try:
                return self._within(limit, forward, x, tile_adapter)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                words = str(error).split(". ")[0]
            # Outside of `except`, where nothing holds the tensors of the failed call any more.
            self._lower(tried, words)

    def _pixels(self, x: torch.Tensor, limit: int | None) -> int:
        """Say how many pixels the largest forward for `x` has."""
        frames, height, width = int(x.shape[0]), int(x.shape[2]), int(x.shape[3])
        if limit is None or frames * height * width <= limit:
            return frames * height * width
        if height * width <= limit:
            return limit // (height * width) * height * width
        return tile_grid(height, width, limit, self._look).pixels

    def _lower(self, tried: int, words: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        with self._changing:
            self._limit = min(tried // 2, self._limit or tried)
        _LOG.warning("%s: at most %d pixels in one forward from now on", words, self._limit)

    def _within(
        self, limit: int | None, forward: ForwardFunction, x: torch.Tensor, tile_adapter: TileAdapter | None
    ) -> torch.Tensor:
        frames, _, height, width = x.shape
        if limit is None or frames * height * width <= limit:
            return forward(x)
        if height * width <= limit:
            together = limit // (height * width)
            self._tell(f"{together} frames in one forward instead of {frames}: more do not fit into the memory")
            return torch.cat([forward(part) for part in x.split(together)])
        tiles = tile_grid(height, width, limit, self._look)
        self._tell(f"Frames of {width}x{height} go through the network in {len(tiles)} overlapping tiles")
        return torch.cat(
            [
                _tiled(forward if tile_adapter is None else tile_adapter(frame, tiles), frame, tiles)
                for frame in x.split(1)
            ]
        )

    def _tell(self, words: str) -> None:
        """Log each thing once."""
        with self._changing:
            if words in self._told:
                return
            self._told.add(words)
        _LOG.warning(words)


def _tiled(forward: ForwardFunction, frame: torch.Tensor, tiles: TileGrid) -> torch.Tensor:
    """Map one frame tile by tile."""
    whole = torch.empty_like(frame)
    for row, column in tiles:
        tile = forward(frame[:, :, row.outer, column.outer])
        whole[:, :, row.kept, column.kept] = tile[:, :, row.inside(), column.inside()]
    return whole
