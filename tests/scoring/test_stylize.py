"""The scorer `any`: sizes, batches, strength, determinism, and pictures that are no numbers."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.errors import InternalError
from scoring import registry
from scoring.any_painting import weights as weights_module
from scoring.protocol import PictureError
from scoring.stylize import AnyPainting, half_is_faithful, pad

sides = st.integers(1, 45)


@given(sides, sides, st.integers(1, 3))
def test_any_size_and_batch_comes_back_as_it_was(scorer, style, height, width, batch):
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    painted = scorer.prepare(style)(frames)
    assert painted.shape == frames.shape
    assert painted.dtype == np.uint8


@given(sides, sides)
def test_padding_keeps_the_picture_and_reflects(height, width):
    x = torch.rand(1, 1, height, width)
    padded = pad(x)
    assert torch.equal(padded[..., :height, :width], x)
    assert all(side % 4 == 0 and side >= 8 for side in padded.shape[2:])
    beyond = padded.shape[3] - width
    if 0 < beyond < width:
        assert torch.equal(padded[..., :height, width], x[..., width - 2])


def test_a_batch_is_its_frames_bit_for_bit(scorer, style, noise):
    frames = noise(5, 36, 52, 3)
    score = scorer.prepare(style)
    assert np.array_equal(score(frames), np.concatenate([score(frame[None]) for frame in frames]))


def test_the_same_bytes_twice_and_from_a_second_scorer(scorer, style, weights, noise):
    frames = noise(2, 90, 120, 3)
    once = scorer.prepare(style)(frames)
    assert np.array_equal(once, scorer.prepare(style)(frames))
    assert np.array_equal(once, AnyPainting.load(weights).prepare(style)(frames))


def test_the_painting_decides(scorer, style, noise):
    frames = noise(1, 64, 64, 3)
    other = scorer.style_vector(np.full((300, 300, 3), (250, 120, 10), np.uint8))
    assert style.shape == other.shape == (100,)
    assert style.dtype == np.float32
    assert np.abs(scorer.prepare(style)(frames).astype(int) - scorer.prepare(other)(frames)).mean() > 10


def test_only_the_centre_square_of_a_painting_counts(scorer, noise):
    painting = noise(80, 200, 3)
    framed = painting.copy()
    framed[:, :59] = framed[:, -59:] = 0
    assert np.array_equal(scorer.style_vector(painting), scorer.style_vector(framed))


def test_strength_0_gives_the_frame_and_1_the_picture(scorer, style, noise):
    frames = noise(2, 30, 41, 3)
    assert np.array_equal(scorer.prepare(style, strength=0)(frames), frames)
    assert np.array_equal(scorer.prepare(style, strength=1e-6)(frames), frames)
    assert not np.array_equal(scorer.prepare(style, strength=1)(frames), frames)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted))
def test_strength_moves_every_pixel_one_way(scorer, style, strengths):
    frame = np.random.default_rng(1).integers(0, 256, (1, 16, 20, 3), np.uint8)
    towards = np.sign(scorer.prepare(style)(frame).astype(int) - frame)
    painted = [scorer.prepare(style, strength=strength)(frame).astype(int) for strength in strengths]
    for weaker, stronger in pairwise(painted):
        assert ((stronger - weaker) * towards >= 0).all()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(scorer, style, strength):
    with pytest.raises(InternalError, match="0 to 1"):
        scorer.prepare(style, strength=strength)


@pytest.mark.parametrize("style", [None, np.zeros(99, np.float32), np.full(100, np.nan, np.float32)])
def test_a_style_that_is_none_is_refused(scorer, style):
    with pytest.raises(InternalError, match="100 finite numbers"):
        scorer.prepare(style)


@pytest.mark.parametrize(
    "frames", [np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3)), np.zeros((1, 3, 8, 8), np.uint8)]
)
def test_frames_of_another_kind_are_refused(scorer, style, frames):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        scorer.prepare(style)(frames)


def test_a_picture_of_no_numbers_is_an_error_with_its_place(scorer, style, noise):
    frames = noise(3, 16, 16, 3)
    huge = np.where(np.arange(100) % 2, 3e38, -3e38).astype(np.float32)
    with pytest.raises(PictureError, match="no numbers") as caught:
        scorer.prepare(huge)(frames)
    assert caught.value.position == 0


def test_weights_are_read_once(weights, style, noise, monkeypatch):
    loads = []
    real = weights_module.safetensors.torch.load
    monkeypatch.setattr(weights_module.safetensors.torch, "load", lambda data: loads.append(1) or real(data))
    scorer = registry.load("any", weights)
    for _ in range(3):
        scorer.prepare(style)(noise(2, 8, 8, 3))
    assert loads == [1]


def test_the_check_of_half_precision_tells_good_from_bad(weights, style):
    transformer = weights_module.load_networks(weights, torch.device("cpu")).transformer
    frame, vector = torch.rand(1, 3, 32, 32), torch.from_numpy(style)
    with torch.inference_mode():
        assert half_is_faithful(transformer, frame, vector)
        transformer.contract.conv1.weight *= 1e5  # beyond what half precision can hold
        assert not half_is_faithful(transformer, frame, vector)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_paint_alike(scorer, style, weights, noise):
    frames = noise(4, 64, 80, 3)
    on_cpu = AnyPainting(weights_module.load_networks(weights, torch.device("cpu")), torch.device("cpu"))
    difference = scorer.prepare(style)(frames).astype(float) - on_cpu.prepare(style)(frames)
    assert 10 * np.log10(255**2 / np.square(difference).mean()) >= 38
