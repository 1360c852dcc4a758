"""Fine-tuning changes the transformer's weights deterministically, and compares what shows the same place."""

import io
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scoring.perception import losses
from scoring.perception.dead_leaves import dead_leaves
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.training.finetune import (
    BORDER,
    Recipe,
    StyleSample,
    _has_bfloat16,
    features,
    finetune,
    instability,
    measure,
    paint_pair,
)
from scoring.training.photo_pairs import NOISE, PhotoPair, draw_pair, draw_photo
from scoring.training.style_samples import PARTS, draw_samples
from scoring.training.tune import predicted_vector, style_target
from tests.support.scorer_runs import painting

CPU = torch.device("cpu")


def decoded_painting():
    return np.array(Image.open(io.BytesIO(painting())))


def drawn_pairs(count):
    photo = dead_leaves(200, random.Random(1))
    return [draw_pair([photo], 64, 96, random.Random(seed)) for seed in range(count)]


def test_finetuning_changes_the_weights_deterministically(vgg):
    networks = load_published_networks()
    recipe = Recipe(steps=2, height=64, width=64)
    photos = [dead_leaves(96, random.Random(seed)) for seed in (1, 2)]
    samples = draw_samples(networks, vgg, [decoded_painting()], random.Random(0))
    transformer = networks.transformer
    trained = [
        finetune(
            transformer, vgg, samples, photos, reference=transformer, recipe=recipe, on_step=lambda *_: None
        ).state_dict()
        for _ in range(2)
    ]
    before = transformer.state_dict()
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in before)
    assert sum(not torch.equal(trained[0][name], before[name]) for name in before) > len(before) // 2


def test_the_first_samples_are_of_whole_paintings_as_tuning_sees_them(vgg):
    networks, picture = load_published_networks(), decoded_painting()
    samples = draw_samples(networks, vgg, [picture, picture[:, ::-1]], random.Random(0))
    assert len(samples) == 2 * (2 + PARTS)
    assert torch.equal(samples[0].vector, predicted_vector(networks, picture))
    target = style_target(vgg, picture, CPU)
    assert all(torch.equal(samples[0].target[tap], target[tap]) for tap in target)
    assert len({tuple(sample.vector.tolist()) for sample in samples}) == len(samples)


def test_a_pair_has_noise_only_or_coincides_where_it_is_shifted():
    pairs = drawn_pairs(24)
    assert {pair.is_noise for pair in pairs} == {True, False}
    for pair in pairs:
        assert pair.clean.shape == pair.spoiled.shape == (1, 3, 64, 96)
        assert instability(pair.clean, pair.shifted, pair.shift).max() == 0
        if pair.is_noise:
            assert pair.shift == (0, 0)
            assert 255 * (pair.spoiled - pair.clean).std() == pytest.approx(NOISE, rel=0.1)
        else:
            # What a disturbance changes is little, compared with a wrong shift.
            assert instability(pair.clean, pair.spoiled, pair.shift).max() < 0.01


@pytest.mark.parametrize("size", [(40, 300), (300, 40), (200, 200), (600, 900)])
def test_photos_of_any_shape_fill_the_picture(size):
    photo = np.zeros((*size, 3), np.uint8)
    assert all(draw_photo([photo], 72, 104, random.Random(seed)).shape == (72, 104, 3) for seed in range(20))


def test_a_wrong_shift_is_measured():
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    shifted = picture.roll((-2, 1), (2, 3))
    assert instability(picture, shifted, (2, -1)) == 0
    assert instability(picture, shifted, (2, 1)) > 0.1
    assert BORDER >= 2


def test_both_pictures_of_a_pair_are_painted_with_the_same_statistics():
    networks = load_published_networks()
    pair = drawn_pairs(1)[0]
    alike = replace(pair, spoiled=pair.clean)
    vector = networks.predictor(torch.rand(1, 3, 256, 256))[0]
    with torch.no_grad():
        painted, copy = paint_pair(networks.transformer, vector, alike)
        alone = networks.transformer(alike.clean, StyleCondition(networks.transformer.style(vector)))
    assert torch.equal(painted, copy)
    assert torch.allclose(painted, alone, atol=1e-4)


def test_a_pair_with_noise_measures_noise_and_any_other_pair_stability(vgg):
    networks = load_published_networks()
    transformer, picture = networks.transformer, decoded_painting()
    sample = StyleSample(predicted_vector(networks, picture), style_target(vgg, picture, CPU))
    clean = drawn_pairs(1)[0].clean
    noisy = (clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    for is_noise in (True, False):
        pair = PhotoPair(clean=clean, shifted=clean, spoiled=noisy, shift=(0, 0), is_noise=is_noise)
        with torch.no_grad():
            terms = measure(transformer, vgg, sample, pair, reference=transformer).values()
            painted = paint_pair(transformer, sample.vector, pair)
            judged = features(vgg, painted[0] if is_noise else painted[1])
            expected = losses.content_loss(judged, features(vgg, clean)).log().item()
        assert terms["content"] == pytest.approx(expected, abs=1e-6)
        assert (terms["noise"] > 0.01, terms["stability"] > 1e-4) == (is_noise, not is_noise)
        # The reference has painted the same picture, but with the statistics of it alone.
        assert terms["palette"] < 1e-3


@pytest.mark.parametrize(("capability", "expected"), [("AVX2", False), ("DEFAULT", False), ("AVX512", True)])
def test_emulated_bfloat16_is_avoided(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert _has_bfloat16(torch.device("cpu")) is expected
