"""Padding of frames for networks that halve and double them, and of features, in the memory format of the input.

On a CUDA device, torch's own padding by reflection and repetition returns NCHW whatever the input's format is, and the
convolution after it would run in that format or convert back. Slices keep the format.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)


def pad_to_stride(x: torch.Tensor, stride: int, min_side: int) -> torch.Tensor:
    """Pad (B, C, H, W) at right and bottom to multiples of `stride`, at least `min_side`.

    By reflection where the frame is long enough, else by its edge.
    """
    for axis in (2, 3):
        size = x.shape[axis]
        padding = max(min_side, math.ceil(size / stride) * stride) - size
        if padding:
            pads = (0, 0, 0, padding) if axis == 2 else (0, padding, 0, 0)
            x = F.pad(x, pads, mode="reflect" if padding < size else "replicate")
    return x
