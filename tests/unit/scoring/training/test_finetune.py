"""Fine-tuning changes the transformer's weights deterministically, and compares what shows the same place."""

import io
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scoring.perception.dead_leaves import dead_leaves
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.training.finetune import BORDER, Recipe, _has_bfloat16, draw_batch, finetune, instability, paint_pairs
from tests.support.scorer_runs import painting


def decoded_painting():
    return np.array(Image.open(io.BytesIO(painting())))


def test_finetuning_changes_the_weights_deterministically(vgg):
    networks = load_published_networks()
    recipe = Recipe(steps=2, side=64, photos_per_step=1)
    photos = [dead_leaves(96, random.Random(seed)) for seed in (1, 2)]
    trained = [
        finetune(networks, vgg, [decoded_painting()], photos, recipe=recipe, on_step=lambda *_: None).state_dict()
        for _ in range(2)
    ]
    before = networks.transformer.state_dict()
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in before)
    assert sum(not torch.equal(trained[0][name], before[name]) for name in before) > len(before) // 2


@pytest.mark.parametrize("seed", range(12))
def test_the_shift_of_a_batch_is_where_its_photos_coincide(seed):
    batch = draw_batch(
        [decoded_painting()], [dead_leaves(200, random.Random(seed))], Recipe(side=64), random.Random(seed)
    )
    assert instability(batch.clean, batch.shifted, batch.shift).max() == 0
    # What a disturbance changes is little, compared with a wrong shift.
    assert instability(batch.clean, batch.spoiled, batch.shift).max() < 0.01


def test_a_wrong_shift_is_measured():
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    shifted = picture.roll((-2, 1), (2, 3))
    assert instability(picture, shifted, (2, -1)) == 0
    assert instability(picture, shifted, (2, 1)) > 0.1
    assert BORDER >= 2


def test_both_pictures_of_a_pair_are_painted_with_the_same_statistics():
    networks = load_published_networks()
    batch = draw_batch([decoded_painting()], [dead_leaves(200, random.Random(1))], Recipe(side=64), random.Random(4))
    alike = replace(batch, spoiled=batch.clean)
    vector = networks.predictor(torch.rand(1, 3, 256, 256))[0]
    with torch.no_grad():
        painted, copy = paint_pairs(networks.transformer, vector, alike)
        alone = networks.transformer(alike.clean, StyleCondition(networks.transformer.style(vector)))
    assert torch.equal(painted, copy)
    assert torch.allclose(painted, alone, atol=1e-4)


@pytest.mark.parametrize(("capability", "expected"), [("AVX2", False), ("DEFAULT", False), ("AVX512", True)])
def test_emulated_bfloat16_is_avoided(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert _has_bfloat16(torch.device("cpu")) is expected
