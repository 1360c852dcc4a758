"""What a GPU does in place of torch's padding and shuffling has the same values, and keeps the memory format."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from scoring.inference import padding
from scoring.inference.padding import pad_by_slices, pad_to_stride, permuted_to_depth, permuted_to_space
from scoring.scorers.any_painting.conditional_norm import NORM_CHANNELS, STYLE_PARAMETERS, StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet

FORMATS = (torch.channels_last, torch.contiguous_format)


def picture(*shape, memory_format=torch.channels_last):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=memory_format)


@given(st.tuples(*[st.integers(0, 4)] * 4), st.sampled_from(["reflect", "replicate"]), st.sampled_from(FORMATS))
def test_padding_by_slices(sides, mode, memory_format):
    x = picture(2, 3, 5, 7, memory_format=memory_format)
    padded = pad_by_slices(x, sides, mode)
    assert torch.equal(padded, F.pad(x, sides, mode=mode))
    assert padded.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_shuffling_by_permutation(channels):
    x = picture(2, channels, 6, 10)
    deep = permuted_to_depth(x)
    assert torch.equal(deep, F.pixel_unshuffle(x, 2))
    assert torch.equal(permuted_to_space(deep), x)
    other = picture(2, 4 * channels, 3, 5)
    assert torch.equal(permuted_to_space(other), F.pixel_shuffle(other, 2))
    assert deep.is_contiguous(memory_format=torch.channels_last)
    assert permuted_to_space(deep).is_contiguous(memory_format=torch.channels_last)


@given(st.integers(1, 13), st.integers(1, 13))
def test_frames_are_padded_to_the_stride(height, width):
    padded = pad_to_stride(picture(1, 3, height, width), 4, 8)
    assert [side % 4 for side in padded.shape[2:]] == [0, 0]
    assert min(padded.shape[2:]) >= 8
    assert torch.equal(padded[:, :, :height, :width], picture(1, 3, height, width))


def test_network_is_channels_last_throughout(monkeypatch):
    """With a GPU's padding the network computes the same on a CPU, and no convolution gets another format."""
    generator, formats, convolve = torch.Generator().manual_seed(3), [], F.conv2d
    network = StyleTransferNet().eval().requires_grad_(requires_grad=False)
    style = torch.randn(STYLE_PARAMETERS, generator=generator) / 10
    condition = StyleCondition(style, torch.rand(2, NORM_CHANNELS, generator=generator) + 0.1)
    x = picture(1, 3, 40, 56)
    expected = network(x, condition)
    monkeypatch.setattr(padding, "keeps_format", lambda device: device.type != "cpu")

    def record(x, *rest):
        formats.append(x.is_contiguous(memory_format=torch.channels_last))
        return convolve(x, *rest)

    monkeypatch.setattr(F, "conv2d", record)
    assert torch.equal(network(x, condition), expected)
    assert formats == [True] * len(formats)
    assert len(formats) > 10
