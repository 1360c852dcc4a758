"""The networks compute what the published graphs compute, at any size; folded norms are exact."""

import copy
import random as random_generator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scoring.perception.dead_leaves import dead_leaves
from scoring.scorers.any_painting.conditional_norm import (
    KERNEL_PARAMETERS,
    NORM_CHANNELS,
    STYLE_PARAMETERS,
    StatisticsRecorder,
    StyleCondition,
)
from scoring.scorers.any_painting.convert import find_models, load_published_networks
from scoring.scorers.any_painting.network import REACH, STRIDE
from scoring.training.augmentation import to_batch
from tests.unit.scoring.scorers.any_painting.onnx_reference import OnnxReference

half_sides = st.integers(3, 12)


@pytest.fixture(scope="module")
def networks():
    return load_published_networks()


@pytest.fixture(scope="module")
def style_vector():
    return torch.randn(100, generator=torch.Generator().manual_seed(1))


def random(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_predictor_matches_the_published_graph(networks):
    painting = random(2, 3, 256, 256)
    expected = OnnxReference(find_models() / "arbitrary_predict.onnx")(painting.permute(0, 2, 3, 1))
    torch.testing.assert_close(networks.predictor(painting), expected.reshape(2, 100), atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 36), (64, 20), (180, 320)])
def test_transformer_matches_the_published_graph(networks, style_vector, height, width, layout):
    frames = random(2, 3, height, width)
    reference = OnnxReference(find_models() / "arbitrary_transform.onnx")
    expected = reference(frames.permute(0, 2, 3, 1), style_vector.reshape(1, 1, 1, 100)).permute(0, 3, 1, 2)
    transformer = networks.transformer
    painted = transformer(frames.contiguous(memory_format=layout), StyleCondition(transformer.style(style_vector)))
    torch.testing.assert_close(painted, expected, atol=1e-4, rtol=0)


def with_kernel_offsets(style):
    """Return the style with an offset for every kernel, like a tuned one."""
    noise = torch.randn(KERNEL_PARAMETERS, generator=torch.Generator().manual_seed(2))
    return style + torch.cat([torch.zeros(2 * NORM_CHANNELS), 0.02 * noise])


@given(half_sides, half_sides)
def test_folded_statistics_of_a_frame_give_the_same_frame(networks, style_vector, height, width):
    frame, transformer = random(1, 3, 4 * height, 4 * width), networks.transformer
    style = with_kernel_offsets(transformer.style(style_vector))
    folded = StyleCondition(style, transformer.measure(frame, style))
    torch.testing.assert_close(transformer(frame, folded), transformer(frame, StyleCondition(style)), atol=1e-4, rtol=0)


def test_kernel_offsets_act_like_other_weights(networks, style_vector):
    """A style with offsets paints like a network with other weights, and does not change the shared network."""
    frame, transformer = random(1, 3, 24, 32), networks.transformer
    plain = transformer.style(style_vector)
    style, other = with_kernel_offsets(plain), copy.deepcopy(transformer)
    at = 2 * NORM_CHANNELS
    for name, weight in other.state_dict().items():
        if name.startswith(("residuals", "expand")) and "conv" in name:
            weight += style[at : at + weight.numel()].view(weight.shape)
            at += weight.numel()
    assert at == STYLE_PARAMETERS
    expected, before = other(frame, StyleCondition(plain)), transformer(frame, StyleCondition(plain))
    torch.testing.assert_close(transformer(frame, StyleCondition(style)), expected, atol=1e-5, rtol=0)
    assert (expected - before).abs().mean() > 0.01
    assert torch.equal(transformer(frame, StyleCondition(plain)), before)


def test_statistics_are_joint_over_all_frames(networks, style_vector):
    frames, transformer = torch.cat([random(1, 3, 32, 40), random(1, 3, 32, 40) * 0.2]), networks.transformer
    style = transformer.style(style_vector)
    together = transformer.measure(frames, style)
    apart = [transformer.measure(frame[None], style) for frame in frames]
    assert together.shape == (2, NORM_CHANNELS)
    # Only the first norm has the same input both times; for equal sizes, joint moments are means of moments.
    first = slice(0, 32)
    torch.testing.assert_close(together[0, first], (apart[0] + apart[1])[0, first] / 2, atol=1e-5, rtol=1e-4)
    squares = sum(single[1] + single[0].square() for single in apart)[first] / 2
    torch.testing.assert_close(together[1, first] + together[0, first].square(), squares, atol=1e-5, rtol=1e-4)


def test_reference_picture_bounds_the_contrast(networks):
    """Noise of one gray level becomes nearly even, and a natural picture stays as it is."""
    transformer = networks.transformer
    style = transformer.style(networks.predictor(to_batch([dead_leaves(256, random_generator.Random(3))]))[0])
    natural = to_batch([dead_leaves(96, random_generator.Random(seed)) for seed in (1, 2)])
    noise = 0.5 + torch.randn(1, 3, 96, 96) / 255

    def deviation(picture, *, share):
        recorder = StatisticsRecorder(style, reference_share=share)
        painted = transformer(torch.cat([picture, natural[1:]]) if share else picture, recorder)[:1]
        return painted.std().item(), recorder.own_contrast

    full, _ = deviation(noise, share=0.0)
    calm, contrast = deviation(noise, share=0.05)
    assert calm < 0.7 * full
    assert contrast < 0.3
    before, _ = deviation(natural[:1], share=0.0)
    after, contrast = deviation(natural[:1], share=0.05)
    assert after == pytest.approx(before, rel=0.03)
    assert contrast > 0.9


@given(st.floats(0.01, 0.5))
def test_statistics_with_a_reference_are_those_of_a_weighted_set(networks, style_vector, share):
    """At the first norm, where the input does not depend on statistics."""
    transformer, first = networks.transformer, slice(0, 32)
    style = transformer.style(style_vector)
    own, reference = random(2, 3, 32, 40), random(1, 3, 32, 40) * 0.2
    recorder = StatisticsRecorder(style, reference_share=share)
    transformer(torch.cat([own, reference]), recorder)
    apart = [transformer.measure(frames, style) for frames in (own, reference)]
    weights = (1 - share, share)
    mean = sum(w * s[0] for w, s in zip(weights, apart, strict=True))
    square = sum(w * (s[1] + s[0].square()) for w, s in zip(weights, apart, strict=True))
    torch.testing.assert_close(recorder.recorded[0, first], mean[first], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        recorder.recorded[1, first] + recorder.recorded[0, first].square(), square[first], atol=1e-5, rtol=1e-3
    )


def test_given_statistics_limit_the_receptive_field(networks, style_vector):
    transformer = networks.transformer
    style = transformer.style(style_vector)
    frame = random(1, 3, 2 * REACH + 8, 4 * REACH)
    condition = StyleCondition(style, transformer.measure(frame, style))
    other = frame.clone()
    other[..., 2 * REACH :] = 0
    difference = (transformer(frame, condition) - transformer(other, condition)).abs()
    assert difference[..., : REACH + STRIDE].max() < 1e-6
    assert difference[..., 2 * REACH - 8 : 2 * REACH].max() > 1e-3


def test_styles_are_linear_in_the_style_vector(networks, style_vector):
    transformer, other = networks.transformer, torch.randn(100, generator=torch.Generator().manual_seed(2))
    mixed = transformer.style(0.3 * style_vector + 0.7 * other)
    torch.testing.assert_close(mixed, 0.3 * transformer.style(style_vector) + 0.7 * transformer.style(other))
