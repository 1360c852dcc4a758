"""Pictures whose pixels are stored in blocks, each pixel of a block in channels of its own, and convolutions of them.

A picture (B, H, W, C) in blocks of R x S pixels is (B, H/R, W/S, R * S * C), the channels of a pixel side by side, so
blocks of 1 x S pixels are the picture itself, seen with other sides. A convolution of a picture in blocks is again a
convolution, with more channels and fewer positions. A register of a processor takes 8 channels, and a picture has 3.

Tensors here are pictures in the order of memory, (B, H, W, C); the convolution's own view is `as_channels`. What only
moves pixels is done once for their positions, for each size, and then by `gather` in one pass over memory.
"""

from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from scoring.inference.padding import pad

Positions: TypeAlias = NDArray[np.intp]
"""Positions in a picture, counted row by row, one for each position of the result."""

_SIZES: Final = 8
"""Results of each function that are kept, of up to 8 bytes for each pixel; frames, or their tiles, have few sizes."""


def as_channels(pictures: torch.Tensor) -> torch.Tensor:
    """View (B, H, W, C) as (B, C, H, W)."""
    return pictures.permute(0, 3, 1, 2)


def as_pictures(channels: torch.Tensor) -> torch.Tensor:
    """View (B, C, H, W), channels last in memory, as (B, H, W, C)."""
    return channels.permute(0, 2, 3, 1)


def block_kernel(weight: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Return the kernel that does in blocks of `rows` x `columns` pixels what `weight` does at full size.

    `weight` is (O, I, k, k), k odd, centered. The result is (rows * columns * O, rows * columns * I, m, n), where m and
    n are the numbers of blocks that a block's pixels reach.
    """
    vertical, horizontal = _taps(weight.shape[2], rows), _taps(weight.shape[3], columns)
    kernel = torch.einsum("oikl,pruk,qsvl->pqorsiuv", weight, vertical, horizontal)
    return kernel.flatten(0, 2).flatten(1, 3).contiguous()


def _taps(size: int, pixels: int) -> torch.Tensor:
    """Return where the taps of a centered one-dimensional kernel fall: 0 or 1, (pixels, pixels, blocks, size).

    Pixel p of a block reads pixel r of the u-th block that it reaches with tap t.
    """
    reach = size // 2
    before = -(-reach // pixels)  # blocks
    positions = torch.zeros(pixels, pixels, before + 1 + (pixels - 1 + reach) // pixels, size)
    for pixel in range(pixels):
        for tap in range(size):
            position = pixel + tap - reach + before * pixels
            positions[pixel, position % pixels, position // pixels, tap] = 1
    return positions


def doubling_kernel(weight: torch.Tensor) -> torch.Tensor:
    """Return the kernel (4 * O, I, 2, 2) that does what doubling a picture (nearest) and `weight` (O, I, 3, 3) do.

    Of three neighbors in a doubled picture at least two are equal, so two taps suffice. For a picture (h, w) with its
    edge repeated around it the result is (h + 1, w + 1): see `doubled`.
    """
    pairs = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])  # phase, source pixel, tap
    kernel = torch.einsum("oikl,puk,qvl->pqoiuv", weight, pairs, pairs)
    return kernel.flatten(0, 2).contiguous()


def gather(pictures: torch.Tensor, positions: Positions) -> torch.Tensor:
    """Return (B, *positions.shape, C): the pixels of each picture (B, ..., C) at these positions. On a CPU."""
    pixels = pictures.flatten(1, -2)
    gathered = pictures.new_empty(len(pictures), positions.size, pictures.shape[-1])
    for source, target in zip(pixels, gathered, strict=True):
        # numpy copies short rows twice as fast as torch; "clip" (no position is outside) lets it write in place.
        np.take(source.numpy(), positions.ravel(), axis=0, out=target.numpy(), mode="clip")
    arranged: torch.Tensor = gathered.unflatten(1, positions.shape)
    return arranged


@lru_cache(_SIZES)
def padded(height: int, width: int, mode: Literal["reflect", "replicate"]) -> Positions:
    """Return the positions (height + 2, width + 2) of a picture padded by one pixel at each side."""
    own = torch.arange(height * width, dtype=torch.float64).view(1, 1, height, width)
    return _positions(pad(own, (1, 1, 1, 1), mode)[0, 0])


@lru_cache(_SIZES)
def doubled(height: int, width: int) -> Positions:
    """Return the positions (2 * height + 2, 2 * width + 2) of a doubled picture with its edge repeated around it.

    They are positions in its four phases (height + 1, width + 1, 4): see `doubling_kernel`. Of an even row the phases
    from row 0 on count, of an odd row those from row 1 on, and so for columns.
    """
    phases = torch.arange((height + 1) * (width + 1) * 4).view(height + 1, width + 1, 2, 2)
    picture = torch.empty(2 * height, 2 * width, dtype=torch.int64)
    for row in range(2):
        for column in range(2):
            picture[row::2, column::2] = phases[row : row + height, column : column + width, row, column]
    return _positions(pad(picture[None, None].double(), (1, 1, 1, 1), "replicate")[0, 0])


@lru_cache(_SIZES)
def doubled_in_blocks(height: int, width: int, rows: int, columns: int, margin: int) -> Positions:
    """Return the positions of a doubled picture, padded by `margin` pixels by reflection, in blocks.

    As those of `doubled`, but (blocks, blocks, rows, columns); the padded sides are multiples of the block's.
    """
    picture = torch.from_numpy(doubled(height, width)[1:-1, 1:-1]).double()
    wide = pad(picture[None, None], (margin, margin, margin, margin), "reflect")[0, 0]
    return _positions(wide.unflatten(1, (-1, columns)).unflatten(0, (-1, rows)).transpose(1, 2))


def _positions(values: torch.Tensor) -> Positions:
    """Convert float64, which holds integers up to 2^53 exactly, and which torch can pad."""
    return np.ascontiguousarray(values.numpy(), np.intp)


def from_blocks(blocks: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Return the picture (B, H, W, C) of (B, H/rows, W/columns, rows * columns * C)."""
    split = blocks.unflatten(3, (rows, -1))
    picture: torch.Tensor = split.permute(0, 1, 3, 2, 4).flatten(1, 2).unflatten(3, (columns, -1)).flatten(2, 3)
    return picture
