"""Padding and shuffling of pixels that keep the memory format of their input on every device.

On a CPU torch's own functions do, and are fast. On a CUDA device torch pads and shuffles into NCHW, whatever the format
of the input: the convolution after it would run in that format or convert back. There these functions copy slices, with
the same values.
"""

import math
from typing import Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

PHASES: Final = 2
"""Pixels along each side of a block that is moved to channels."""


def keeps_format(device: torch.device) -> bool:
    """Return whether torch's own functions keep the memory format on a device."""
    return device.type == "cpu"


def pad(x: torch.Tensor, sides: tuple[int, int, int, int], mode: Literal["reflect", "replicate"]) -> torch.Tensor:
    """Pad (B, C, H, W) by `sides`: left, right, top, bottom, in pixels; as torch.nn.functional.pad."""
    return F.pad(x, sides, mode=mode) if keeps_format(x.device) else pad_by_slices(x, sides, mode)


def pad_by_slices(
    x: torch.Tensor, sides: tuple[int, int, int, int], mode: Literal["reflect", "replicate"]
) -> torch.Tensor:
    """Pad as `pad` does, by copies of rows and columns."""
    left, right, top, bottom = sides
    batch, channels, height, width = x.shape
    is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
    padded = torch.empty(
        (batch, channels, top + height + bottom, left + width + right),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last if is_channels_last else torch.contiguous_format,
    )
    padded[:, :, top : top + height, left : left + width] = x
    _fill_ends(padded[:, :, top : top + height], left, right, mode)
    _fill_ends(padded.movedim(2, 3), top, bottom, mode)
    return padded


def _fill_ends(lines: torch.Tensor, before: int, after: int, mode: str) -> None:
    """Fill the first and last entries along the last dimension from those between them."""
    end = lines.shape[-1] - after
    ends = ((0, before, before + 1, before), (end, after, end - 1 - after, end - 1))
    for start, count, mirrored, edge in ends:
        if count and mode == "reflect":
            lines[..., start : start + count] = lines[..., mirrored : mirrored + count].flip(-1)
        elif count:
            lines[..., start : start + count] = lines[..., edge : edge + 1]


def space_to_depth(x: torch.Tensor) -> torch.Tensor:
    """Store a picture, (B, C, 2h, 2w), as (B, 4C, h, w); as torch.nn.functional.pixel_unshuffle by 2."""
    return F.pixel_unshuffle(x, PHASES) if keeps_format(x.device) else permuted_to_depth(x)


def depth_to_space(x: torch.Tensor) -> torch.Tensor:
    """Store (B, 4C, h, w) as a picture, (B, C, 2h, 2w); as torch.nn.functional.pixel_shuffle by 2."""
    return F.pixel_shuffle(x, PHASES) if keeps_format(x.device) else permuted_to_space(x)


def permuted_to_depth(x: torch.Tensor) -> torch.Tensor:
    """Do as `space_to_depth`, in one copy to channels last."""
    blocks = x.permute(0, 2, 3, 1).unflatten(2, (-1, PHASES)).unflatten(1, (-1, PHASES))
    deep: torch.Tensor = blocks.permute(0, 1, 3, 5, 2, 4).flatten(3)
    return deep.permute(0, 3, 1, 2)


def permuted_to_space(x: torch.Tensor) -> torch.Tensor:
    """Do as `depth_to_space`, in one copy to channels last."""
    blocks = x.permute(0, 2, 3, 1).unflatten(3, (-1, PHASES, PHASES))
    picture: torch.Tensor = blocks.permute(0, 1, 4, 2, 5, 3).flatten(3, 4).flatten(1, 2)
    return picture.permute(0, 3, 1, 2)


def pad_to_stride(x: torch.Tensor, stride: int, min_side: int) -> torch.Tensor:
    """Pad (B, C, H, W) at right and bottom to multiples of `stride`, at least `min_side`.

    By reflection where the frame is long enough, else by its edge.
    """
    for axis in (2, 3):
        size = x.shape[axis]
        padding = max(min_side, math.ceil(size / stride) * stride) - size
        if padding:
            sides = (0, 0, 0, padding) if axis == 2 else (0, padding, 0, 0)
            x = pad(x, sides, "reflect" if padding < size else "replicate")
    return x
