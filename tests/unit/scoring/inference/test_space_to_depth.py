"""Polyphase convolutions and padding equal those at full size."""

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)
from hypothesis import given
from hypothesis import strategies as st

from scoring.inference.space_to_depth import polyphase_kernel, reflect_pad_polyphase

half_sides = st.integers(3, 12)


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@given(half_sides, half_sides, st.sampled_from([3, 5, 7, 9]), st.integers(1, 3))
def test_polyphase_convolution(height, width, size, channels):
    x, weight = random(2, channels, 2 * height, 2 * width), random(4, channels, size, size)
    pad = 2 * ((size // 2 + 1) // 2)
    excess = pad - size // 2
    wide = F.pad(x, (pad,) * 4)
    expected = F.conv2d(wide, weight)[:, :, excess : -excess or None, excess : -excess or None]
    actual = F.conv2d(F.pixel_unshuffle(wide, 2), polyphase_kernel(weight, outputs=2, inputs=2))
    torch.testing.assert_close(F.pixel_shuffle(actual, 2), expected)


@given(half_sides, half_sides)
def test_polyphase_convolution_of_a_doubled_picture(height, width):
    x, weight = random(2, 3, height, width), random(4, 3, 3, 3)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = F.conv2d(F.pad(doubled, (1,) * 4, mode="reflect"), weight)
    kernel = polyphase_kernel(weight, outputs=2, inputs=1)
    actual = F.pixel_shuffle(F.conv2d(F.pad(x, (1,) * 4, mode="replicate"), kernel), 2)
    torch.testing.assert_close(actual, expected)


@given(half_sides, half_sides)
def test_polyphase_convolution_with_stride(height, width):
    x, weight = random(2, 3, 2 * height, 2 * width), random(4, 3, 3, 3)
    expected = F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), weight, stride=2)
    phases = F.pad(F.pixel_unshuffle(x, 2), (1, 0, 1, 0), mode="replicate")
    actual = F.conv2d(phases, polyphase_kernel(weight, outputs=1, inputs=2))
    torch.testing.assert_close(actual, expected)


@given(half_sides, half_sides, st.integers(1, 2), st.sampled_from([torch.contiguous_format, torch.channels_last]))
def test_polyphase_reflection_padding(height, width, blocks, layout):
    x = random(2, 3, 2 * height, 2 * width)
    expected = F.pixel_unshuffle(F.pad(x, (2 * blocks,) * 4, mode="reflect"), 2)
    phases = F.pixel_unshuffle(x, 2).contiguous(memory_format=layout)
    assert torch.equal(reflect_pad_polyphase(phases, blocks), expected)
