"""Pictures whose pixels are stored in blocks, each pixel of a block in channels of its own, and convolutions of them.

A picture (B, H, W, C) in blocks of R x S pixels is (B, H/R, W/S, R * S * C), the channels of a pixel side by side, so
blocks of 1 x S pixels are the picture itself, seen with other sides. A convolution of a picture in blocks is again a
convolution, with more channels and fewer positions. A register of a processor takes 8 channels, and a picture has 3.

Tensors here are pictures in the order of memory, (B, H, W, C); the convolution's own view is `as_channels`.
"""

import torch


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
    edge repeated around it the result is (h + 1, w + 1): see `interleave`.
    """
    pairs = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])  # phase, source pixel, tap
    kernel = torch.einsum("oikl,puk,qvl->pqoiuv", weight, pairs, pairs)
    return kernel.flatten(0, 2).contiguous()


def interleave(phases: torch.Tensor, target: torch.Tensor) -> None:
    """Write the doubled picture (B, 2h, 2w, C) to `target` from its four phases, (B, h + 1, w + 1, 4C).

    Of an even row the values from row 0 on count, of an odd row those from row 1 on, and so for columns.
    """
    height, width, channels = (int(side) for side in target.shape[1:])
    blocks = target.unflatten(2, (width // 2, 2)).unflatten(1, (height // 2, 2))
    for p in range(2):
        for q in range(2):
            blocks[:, :, p, :, q] = _phase(phases, p, q, channels)


def interleave_in_blocks(phases: torch.Tensor, target: torch.Tensor) -> None:
    """Do as `interleave`, but `target` is (B, 2h/2, 2w/4, 2, 4, C): in blocks of 2 x 4 pixels."""
    channels = int(target.shape[-1])
    halves = target.unflatten(4, (2, 2))
    for p in range(2):
        for q in range(2):
            halves[:, :, :, p, :, q] = _phase(phases, p, q, channels).unflatten(2, (-1, 2))


def _phase(phases: torch.Tensor, row: int, column: int, channels: int) -> torch.Tensor:
    height, width = (int(side) - 1 for side in phases.shape[1:3])
    first = (2 * row + column) * channels
    return phases[:, row : row + height, column : column + width, first : first + channels]


def repeat_edges(pictures: torch.Tensor) -> None:
    """Fill the first and last row and column from their neighbors."""
    for lines in (pictures[:, 1:-1].movedim(2, 1), pictures):
        lines[:, 0], lines[:, -1] = lines[:, 1], lines[:, -2]


def reflect_edges(blocks: torch.Tensor, pixels: int) -> None:
    """Fill the outer `pixels` at each side of (B, H/R, W/S, R, S, C) by reflection; they are whole blocks, and fewer
    than the pixels within."""
    inner_rows = slice(pixels // int(blocks.shape[3]), -(pixels // int(blocks.shape[3])))
    _reflect(blocks[:, inner_rows].movedim((2, 4), (0, 1)), pixels)
    _reflect(blocks.movedim((1, 3), (0, 1)), pixels)


def _reflect(lines: torch.Tensor, pixels: int) -> None:
    """Fill the outer `pixels` of (blocks, pixels of a block, ...)."""
    size = int(lines.shape[1])
    last = int(lines.shape[0]) * size - 1 - pixels
    for distance in range(1, pixels + 1):
        for outer, inner in ((pixels - distance, pixels + distance), (last + distance, last - distance)):
            lines[divmod(outer, size)] = lines[divmod(inner, size)]


def from_blocks(blocks: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Return the picture (B, H, W, C) of (B, H/rows, W/columns, rows * columns * C)."""
    split = blocks.unflatten(3, (rows, -1))
    picture: torch.Tensor = split.permute(0, 1, 3, 2, 4).flatten(1, 2).unflatten(3, (columns, -1)).flatten(2, 3)
    return picture
