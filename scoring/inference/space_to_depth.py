"""Exact polyphase forms of convolutions that are wide in pixels but thin in channels.

A picture of even height and width can be stored as its four phases (even or odd row, even or odd column) in four times
the channels at half the size: space to depth, `pixel_unshuffle(x, 2)`. A convolution of such a picture is again a
convolution, with the same numbers in a kernel of another shape. Processors run it faster: a 9x9 convolution to 3
channels fills 3 of 16 SIMD lanes, its polyphase form 12 (640x360 on two cores: 15 ms becomes 5 ms).
"""

from functools import cache

import torch


@cache
def _tap_positions(size: int, outputs: int, inputs: int, device: torch.device) -> torch.Tensor:
    """Return where the taps of a centered one-dimensional kernel fall: float32 0/1, (outputs, inputs, blocks, size).

    Output phase p of block y reads the full-size positions 2y + p + tap - size // 2. Position n is in block n // 2 as
    its phase n % 2. If the input has one phase (a picture still to be doubled), it is simply that block.
    The result stays on the device: a copy from the CPU for each pass would stall a GPU's queue.
    """
    first = -(size // 2)
    lowest, highest = first // 2, (outputs - 1 + size - 1 + first) // 2
    with torch.inference_mode(mode=False):  # a later caller may need gradients, whatever mode the first one is in
        positions = torch.zeros(outputs, inputs, highest - lowest + 1, size)
        for phase in range(outputs):
            for tap in range(size):
                position = phase + tap + first
                positions[phase, position % inputs, position // 2 - lowest, tap] = 1
        return positions.to(device)


def polyphase_kernel(weight: torch.Tensor, *, outputs: int, inputs: int) -> torch.Tensor:
    """Return the kernel that does in polyphase form what `weight` (O, I, k, k; k odd, centered) does at full size.

    `inputs`: 2 if the input is polyphase, 1 if it is a half-size picture to be doubled (nearest) first.
    `outputs`: 2 for a polyphase output, 1 for the even positions only (a stride of 2).
    The result is (O * outputs^2, I * inputs^2, b, b), where b is the number of blocks that are read.
    """
    positions = _tap_positions(weight.shape[-1], outputs, inputs, weight.device).to(weight.dtype)
    kernel = torch.einsum("oikl,pqsk,rzul->opriqzsu", weight, positions, positions)
    blocks = positions.shape[2]
    return kernel.reshape(weight.shape[0] * outputs**2, weight.shape[1] * inputs**2, blocks, blocks)


def reflect_pad_polyphase(x: torch.Tensor, blocks: int) -> torch.Tensor:
    """Pad the full-size picture by reflection with 2 * `blocks` pixels at each border, in polyphase form.

    `x` is (B, 4C, h, w) with h and w above `blocks`; the result is (B, 4C, h + 2 * blocks, w + 2 * blocks).
    Reflection keeps even positions even, so each phase is padded from itself, an odd one half a block nearer.
    """
    b, c, h, w = x.shape
    size = (b, c, h + 2 * blocks, w + 2 * blocks)
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    padded = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout)
    padded[:, :, blocks:-blocks, blocks:-blocks] = x
    rows_and_columns = padded.unflatten(1, (c // 4, 2, 2))
    for phase in (0, 1):
        _reflect(rows_and_columns[:, :, phase].movedim(-2, -1), blocks, phase)
    for phase in (0, 1):
        _reflect(rows_and_columns[:, :, :, phase], blocks, phase)
    return padded


def _reflect(line: torch.Tensor, blocks: int, phase: int) -> None:
    """Fill the `blocks` outer entries at both ends of the last dimension from the entries inside."""
    near, far = 1 - phase, phase
    inside = line.shape[-1] - 2 * blocks
    line[..., :blocks] = line[..., blocks + near : 2 * blocks + near].flip(-1)
    line[..., blocks + inside :] = line[..., inside - far : blocks + inside - far].flip(-1)
