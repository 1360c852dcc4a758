"""Fine-tuning changes the transformer's weights deterministically."""

import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

from scoring.perception.dead_leaves import dead_leaves
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.training.finetune import Recipe, _has_bfloat16, finetune
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


@pytest.mark.parametrize(("capability", "expected"), [("AVX2", False), ("DEFAULT", False), ("AVX512", True)])
def test_emulated_bfloat16_is_avoided(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert _has_bfloat16(torch.device("cpu")) is expected
