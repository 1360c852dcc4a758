"""The networks compute what the published graphs say, at any size; phase forms and folded norms are exact."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)
from hypothesis import given
from hypothesis import strategies as st

from scoring.scorers.any_painting.conditional_norm import KERNEL_NUMBERS, NORM_CHANNELS, STYLE_NUMBERS, StyleCondition
from scoring.scorers.any_painting.convert import find_models, published
from scoring.scorers.any_painting.network import REACH, STRIDE
from scoring.scorers.any_painting.space_to_depth import phase_kernel, reflect_phases
from tests.scoring.onnx_oracle import Oracle

half_sides = st.integers(3, 12)


@pytest.fixture(scope="module")
def networks():
    return published()


@pytest.fixture(scope="module")
def style_vector():
    return torch.randn(100, generator=torch.Generator().manual_seed(1))


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_predictor_is_the_published_one(networks):
    painting = random(2, 3, 256, 256)
    expected = Oracle(find_models() / "arbitrary_predict.onnx")(painting.permute(0, 2, 3, 1))
    torch.testing.assert_close(networks.predictor(painting), expected.reshape(2, 100), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 36), (64, 20), (180, 320)])
def test_transformer_is_the_published_one(networks, style_vector, height, width, layout):
    frames = random(2, 3, height, width)
    oracle = Oracle(find_models() / "arbitrary_transform.onnx")
    expected = oracle(frames.permute(0, 2, 3, 1), style_vector.reshape(1, 1, 1, 100)).permute(0, 3, 1, 2)
    transformer = networks.transformer
    painted = transformer(frames.contiguous(memory_format=layout), StyleCondition(transformer.style(style_vector)))
    torch.testing.assert_close(painted, expected, atol=1e-4, rtol=0)


def styled_kernel(style):
    """Return the style with something added to every kernel, as tuning does."""
    noise = torch.randn(KERNEL_NUMBERS, generator=torch.Generator().manual_seed(2))
    return style + torch.cat([torch.zeros(2 * NORM_CHANNELS), 0.02 * noise])


@given(half_sides, half_sides)
def test_a_frames_own_statistics_folded_in_give_the_same_frame(networks, style_vector, height, width):
    frame, transformer = random(1, 3, 4 * height, 4 * width), networks.transformer
    style = styled_kernel(transformer.style(style_vector))
    folded = StyleCondition(style, transformer.measure(frame, style))
    torch.testing.assert_close(transformer(frame, folded), transformer(frame, StyleCondition(style)), atol=1e-4, rtol=0)


def test_a_style_bends_each_kernel_by_its_own_numbers(networks, style_vector):
    """As if the network had other weights; and the network that all share is left as it is."""
    frame, transformer = random(1, 3, 24, 32), networks.transformer
    plain = transformer.style(style_vector)
    style, other = styled_kernel(plain), copy.deepcopy(transformer)
    at = 2 * NORM_CHANNELS
    for name, weight in other.state_dict().items():
        if name.startswith(("residuals", "expand")) and "conv" in name:
            weight += style[at : at + weight.numel()].view(weight.shape)
            at += weight.numel()
    assert at == STYLE_NUMBERS
    expected, before = other(frame, StyleCondition(plain)), transformer(frame, StyleCondition(plain))
    torch.testing.assert_close(transformer(frame, StyleCondition(style)), expected, atol=1e-5, rtol=0)
    assert (expected - before).abs().mean() > 0.01
    assert torch.equal(transformer(frame, StyleCondition(plain)), before)


def test_statistics_are_those_of_all_frames_together(networks, style_vector):
    frames, transformer = torch.cat([random(1, 3, 32, 40), random(1, 3, 32, 40) * 0.2]), networks.transformer
    style = transformer.style(style_vector)
    together = transformer.measure(frames, style)
    apart = [transformer.measure(frame[None], style) for frame in frames]
    assert together.shape == (2, NORM_CHANNELS)
    # Only the first norm sees the same values both times; of equal parts, means and mean squares are means.
    first = slice(0, 32)
    torch.testing.assert_close(together[0, first], (apart[0] + apart[1])[0, first] / 2, atol=1e-5, rtol=1e-4)
    squares = sum(one[1] + one[0].square() for one in apart)[first] / 2
    torch.testing.assert_close(together[1, first] + together[0, first].square(), squares, atol=1e-5, rtol=1e-4)


def test_with_given_statistics_a_place_depends_on_nothing_beyond_the_reach(networks, style_vector):
    transformer = networks.transformer
    style = transformer.style(style_vector)
    frame = random(1, 3, 2 * REACH + 8, 4 * REACH)
    brush = StyleCondition(style, transformer.measure(frame, style))
    other = frame.clone()
    other[..., 2 * REACH :] = 0
    difference = (transformer(frame, brush) - transformer(other, brush)).abs()
    assert difference[..., : REACH + STRIDE].max() < 1e-6
    assert difference[..., 2 * REACH - 8 : 2 * REACH].max() > 1e-3


def test_styles_mix_by_weighted_sums(networks, style_vector):
    transformer, other = networks.transformer, torch.randn(100, generator=torch.Generator().manual_seed(2))
    mixed = transformer.style(0.3 * style_vector + 0.7 * other)
    torch.testing.assert_close(mixed, 0.3 * transformer.style(style_vector) + 0.7 * transformer.style(other))


@given(half_sides, half_sides, st.sampled_from([3, 5, 7, 9]), st.integers(1, 3))
def test_convolution_in_phases(height, width, size, channels):
    x, weight = random(2, channels, 2 * height, 2 * width), random(4, channels, size, size)
    pad = 2 * ((size // 2 + 1) // 2)
    excess = pad - size // 2
    wide = F.pad(x, (pad,) * 4)
    expected = F.conv2d(wide, weight)[:, :, excess : -excess or None, excess : -excess or None]
    painted = F.conv2d(F.pixel_unshuffle(wide, 2), phase_kernel(weight, outputs=2, inputs=2))
    torch.testing.assert_close(F.pixel_shuffle(painted, 2), expected)


@given(half_sides, half_sides)
def test_convolution_of_a_doubled_picture_in_phases(height, width):
    x, weight = random(2, 3, height, width), random(4, 3, 3, 3)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    expected = F.conv2d(F.pad(doubled, (1,) * 4, mode="reflect"), weight)
    kernel = phase_kernel(weight, outputs=2, inputs=1)
    actual = F.pixel_shuffle(F.conv2d(F.pad(x, (1,) * 4, mode="replicate"), kernel), 2)
    torch.testing.assert_close(actual, expected)


@given(half_sides, half_sides)
def test_convolution_with_stride_in_phases(height, width):
    x, weight = random(2, 3, 2 * height, 2 * width), random(4, 3, 3, 3)
    expected = F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), weight, stride=2)
    phases = F.pad(F.pixel_unshuffle(x, 2), (1, 0, 1, 0), mode="replicate")
    actual = F.conv2d(phases, phase_kernel(weight, outputs=1, inputs=2))
    torch.testing.assert_close(actual, expected)


@given(half_sides, half_sides, st.integers(1, 2), st.sampled_from([torch.contiguous_format, torch.channels_last]))
def test_reflection_in_phases(height, width, blocks, layout):
    x = random(2, 3, 2 * height, 2 * width)
    expected = F.pixel_unshuffle(F.pad(x, (2 * blocks,) * 4, mode="reflect"), 2)
    phases = F.pixel_unshuffle(x, 2).contiguous(memory_format=layout)
    assert torch.equal(reflect_phases(phases, blocks), expected)
