"""Tuning lowers the style loss deterministically and penalizes results outside its bounds."""

import io
import random
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scoring.perception.dead_leaves import dead_leaves
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.training import augmentation
from scoring.training.tune import RunningGrams, TrainingSquares, TuningConfig, bound_penalty, predicted_style, tune
from tests.support.scorer_runs import painting


def decoded_painting():
    return np.array(Image.open(io.BytesIO(painting())))


def test_tuning_lowers_the_style_loss_deterministically(vgg):
    networks, recorded = load_published_networks(), []
    config = TuningConfig(steps=12, side=64, squares=6)

    def fit():
        return tune(
            networks,
            vgg,
            decoded_painting(),
            lambda rng: dead_leaves(64, rng),
            config=config,
            on_step=lambda _step, step_losses: recorded.append(step_losses),
        )

    style = fit()
    assert not torch.equal(style, predicted_style(networks, decoded_painting()))
    assert np.mean([entry.style for entry in recorded[-3:]]) < np.mean([entry.style for entry in recorded[:3]])
    assert torch.equal(fit(), style)


def test_share_of_a_step_in_the_gram_matrices_changes_the_style(vgg):
    networks = load_published_networks()

    def fit(rate):
        config = TuningConfig(steps=3, side=64, squares=2, gram_rate=rate)
        photo = partial(dead_leaves, 64)
        return tune(networks, vgg, decoded_painting(), photo, config=config, on_step=lambda *_: None)

    assert not torch.equal(fit(1.0), fit(0.2))


def test_running_grams_are_of_all_recent_squares_with_the_derivative_of_the_last():
    steps = [
        torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(seed), requires_grad=True) for seed in range(3)
    ]
    running, alone = RunningGrams(0.25), RunningGrams(1.0)
    first = running.update({"tap": steps[0]})["tap"]
    torch.testing.assert_close(first, 0.25 * steps[0] + 0.75 * steps[0].mean(0))
    running.update({"tap": steps[1]})
    earlier = 0.75 * steps[0].mean(0) + 0.25 * steps[1].mean(0)
    last = running.update({"tap": steps[2]})["tap"]
    torch.testing.assert_close(last, 0.25 * steps[2] + 0.75 * earlier)
    last.square().sum().backward()
    torch.testing.assert_close(steps[2].grad, 2 * last.detach())
    assert all(step.grad is None for step in steps[:2])
    for step in steps:
        torch.testing.assert_close(alone.update({"tap": step})["tap"], step)


BOUNDS = ("content", "flat", "specks", "grid", "chroma", "light")


@pytest.mark.parametrize("bound", BOUNDS)
def test_penalty_applies_to_each_bound(vgg, bound):
    """A result like the initial one has no penalty; one that leaves a bound is penalized with that bound's weight."""
    rng = random.Random(0)
    flat = augmentation.to_batch([augmentation.flatten_region(dead_leaves(64, rng), rng)])
    networks = load_published_networks()
    squares = TrainingSquares.from_photos(networks, vgg, predicted_style(networks, decoded_painting()), flat)
    weights: dict[str, Any] = {f"{name}_weight": float(name == bound) for name in BOUNDS}
    config = TuningConfig(**weights, content_tolerance=0.0, specks_ratio=1.0, contrast=1.0)
    dotted = squares.before.clone()
    dotted[..., ::4, ::4] = 1 - dotted[..., ::4, ::4]
    outside = {"chroma": squares.before.flip(1), "light": squares.before / 2}.get(bound, dotted)
    content = squares.content_before * (1.5 if bound == "content" else 1)
    within = bound_penalty(squares.before, squares.content_before, squares, config=config).item()
    assert within < 1e-3
    assert bound_penalty(outside, content, squares, config=config).item() > 2 * within + 1e-4
