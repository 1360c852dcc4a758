"""Pictures in blocks of pixels: convolutions, doubling and padding equal torch's at full size."""

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from hypothesis import given
from hypothesis import strategies as st

from scoring.inference.pixel_phases import (
    as_channels,
    as_pictures,
    block_kernel,
    doubled,
    doubled_in_blocks,
    doubling_kernel,
    from_blocks,
    gather,
    padded,
)

blocks_in_a_picture = st.integers(3, 7)
channel_counts = st.integers(1, 3)


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def in_blocks(pictures, rows, columns):
    """Return (B, H, W, C) as (B, H/rows, W/columns, rows, columns, C)."""
    return pictures.unflatten(2, (-1, columns)).unflatten(1, (-1, rows)).transpose(2, 3).contiguous()


@given(blocks_in_a_picture, blocks_in_a_picture, st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3, 5, 9]))
def test_convolution_in_blocks(height, width, rows, columns, size):
    weight, reach = random(4, 3, size, size), size // 2
    margin = [-(-reach // side) * side for side in (rows, columns)]
    wide = random(2, 3, rows * height + 2 * margin[0], columns * width + 2 * margin[1])
    inner = wide[:, :, margin[0] - reach :, margin[1] - reach :]
    expected = F.conv2d(inner, weight)[:, :, : rows * height, : columns * width]
    blocks = as_channels(in_blocks(as_pictures(wide), rows, columns).flatten(3))
    actual = as_pictures(F.conv2d(blocks, block_kernel(weight, rows, columns)))[:, :height, :width]
    torch.testing.assert_close(as_channels(from_blocks(actual, rows, columns)), expected)


def doubled_and_convolved(x, weight):
    """Return what doubling (nearest), reflection padding and a 3x3 convolution give, and its phases (B, h, w, 4, C)."""
    twice = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = F.conv2d(F.pad(twice, (1,) * 4, mode="reflect"), weight)
    phases = F.conv2d(F.pad(x, (1,) * 4, mode="replicate"), doubling_kernel(weight))
    return expected, as_pictures(phases).unflatten(3, (4, -1))


@given(blocks_in_a_picture, blocks_in_a_picture, channel_counts)
def test_doubling_kernel(height, width, channels):
    expected, phases = doubled_and_convolved(random(2, 3, height, width), random(channels, 3, 3, 3))
    actual = as_channels(gather(phases, doubled(height, width)))
    torch.testing.assert_close(actual, F.pad(expected, (1,) * 4, mode="replicate"))


@given(blocks_in_a_picture, blocks_in_a_picture, channel_counts)
def test_doubling_kernel_in_blocks(height, width, channels):
    expected, phases = doubled_and_convolved(random(2, 3, height, 2 * width), random(channels, 3, 3, 3))
    actual = gather(phases, doubled_in_blocks(height, 2 * width, 2, 4, 4))
    wide = F.pad(expected, (4,) * 4, mode="reflect")
    torch.testing.assert_close(actual, in_blocks(as_pictures(wide), 2, 4))


@given(blocks_in_a_picture, blocks_in_a_picture, st.sampled_from(["reflect", "replicate"]))
def test_padded(height, width, mode):
    x = random(2, 3, height, width).contiguous(memory_format=torch.channels_last)
    assert torch.equal(as_channels(gather(as_pictures(x), padded(height, width, mode))), F.pad(x, (1,) * 4, mode=mode))
