"""The scorer `johnson` paints what the published network paints, at any size, with either kind of statistics."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.options import Options
from scoring.inference import device
from scoring.pipeline.frame_guard import SupportsFullPrecision
from scoring.scorers.johnson.layers import expected_shapes
from scoring.scorers.johnson.network import Network
from scoring.scorers.johnson.scorer import Johnson
from scoring.types import NonFiniteOutputError, RunInputs, StyleFile
from tests.unit.scoring.scorers.johnson.reference_network import paint_as_published, random_state, saved

sides = st.integers(1, 45)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def checkpoint_file(state):
    return StyleFile("waves.pth", saved(state))


@pytest.fixture(scope="module")
def loaded():
    return Johnson(CPU)


@pytest.fixture(scope="module")
def run_of(checkpoint_file):
    def make(statistics, sample=(), file=checkpoint_file):
        options = Options.model_construct(scorer="johnson", statistics=statistics)
        return RunInputs(options=options, styles=(file,), sample=lambda: list(sample))

    return make


@pytest.fixture(scope="module")
def score(loaded, run_of):
    return loaded.open(run_of("frame"), {})


def as_tensor(frames):
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()


def assert_painted(actual, expected):
    """Compare uint8 frames with float (B, 3, H, W), up to rounding."""
    np.testing.assert_allclose(actual, expected.clamp(0, 255).permute(0, 2, 3, 1).numpy(), atol=0.51, rtol=0)


def test_expected_shapes_are_those_of_the_published_module(state):
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected_shapes()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 36), (24, 40), (60, 20)])
def test_network_matches_the_published_one(state, height, width):
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        torch.testing.assert_close(Network(state, CPU)(x), paint_as_published(state, x), atol=0.02, rtol=0)


def test_frame_statistics_are_per_frame(state, score, noise):
    frames = np.stack([noise(20, 28, 3), noise(20, 28, 3, seed=1) // 4])
    assert_painted(
        score(frames, ()), torch.cat([paint_as_published(state, as_tensor(frame[None])) for frame in frames])
    )


def test_shared_statistics_are_joint_over_all_frames(state, loaded, run_of, noise):
    frames = np.stack([noise(32, 28, 3, seed=i) // (i + 1) for i in range(3)])
    run = run_of("shared", frames)
    score = loaded.open(run, loaded.prepare(run))
    assert_painted(score(frames[:1], ()), paint_as_published(state, as_tensor(frames))[:1])
    assert_painted(score(frames[2:], ()), paint_as_published(state, as_tensor(frames))[2:])


def test_statistics_do_not_depend_on_the_number_of_cores(run_of, noise, monkeypatch):
    run = run_of("shared", [noise(33, 45, 3, seed=i) for i in range(4)])
    prepared = []
    for cores in (1, 3, 3):
        monkeypatch.setattr(device, "available_cores", lambda cores=cores: cores)
        scorer = Johnson(CPU)
        assert scorer.frames_per_forward == cores
        prepared.append({name: values.tobytes() for name, values in scorer.prepare(run).items()})
    assert prepared[0] == prepared[1] == prepared[2]


@given(sides, sides, st.integers(1, 2))
def test_output_has_the_shape_of_the_input(score, height, width, batch):
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    painted = score(frames, ())
    assert painted.shape == frames.shape
    assert painted.dtype == np.uint8


def test_odd_sizes_are_padded_by_reflection(state, score, noise):
    frame = noise(1, 27, 30, 3)
    mirrored = np.concatenate([frame, frame[:, -2:-3:-1]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[:, :, -2:-4:-1]], axis=2)
    assert_painted(score(frame, ()), paint_as_published(state, as_tensor(mirrored))[:, :, :27, :30])


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_batch_equals_single_frames_bit_for_bit(loaded, run_of, noise, statistics):
    run = run_of(statistics, [noise(24, 24, 3)])
    score = loaded.open(run, loaded.prepare(run))
    frames = noise(5, 36, 52, 3)
    assert np.array_equal(score(frames, ()), np.concatenate([score(frame[None], ()) for frame in frames]))


def test_score_supports_full_precision(score, noise):
    frames = noise(2, 16, 16, 3)
    scored = score(frames, ())
    assert isinstance(score, SupportsFullPrecision)
    assert np.array_equal(score.score_full_precision(frames, ()), scored)


def test_frames_are_not_changed(score, noise):
    frames = noise(2, 16, 16, 3)
    before = frames.copy()
    score(frames, ())
    assert np.array_equal(frames, before)


def test_statistics_of_another_network_are_rejected(loaded, run_of, noise):
    run = run_of("shared", [noise(16, 16, 3)])
    prepared = dict(loaded.prepare(run))
    prepared["in1"] = prepared["in1"][:, :31]
    with pytest.raises(InternalError, match="not the statistics"):
        loaded.open(run, prepared)
    with pytest.raises(InternalError, match="not the statistics"):
        loaded.open(run, {})


def test_non_finite_output_is_an_input_error_of_a_frame(loaded, run_of, state, noise):
    broken = dict(state)
    broken["deconv3.conv2d.weight"] = torch.full_like(state["deconv3.conv2d.weight"], 3e38)
    score = loaded.open(run_of("frame", file=StyleFile("broken.pth", saved(broken))), {})
    with pytest.raises(NonFiniteOutputError) as caught:
        score(noise(2, 16, 16, 3), ())
    assert caught.value.position == 0
    assert caught.value.fault is InputError


def test_non_finite_statistics_are_rejected(loaded, run_of, state, noise):
    broken = dict(state)
    broken["res3.conv1.conv2d.weight"] = torch.full_like(state["res3.conv1.conv2d.weight"], 3e38)
    with pytest.raises(InputError, match=r"broken\.pth"):
        loaded.prepare(run_of("shared", [noise(16, 16, 3)], file=StyleFile("broken.pth", saved(broken))))


def test_run_without_a_checkpoint_is_rejected(loaded):
    with pytest.raises(InternalError, match="0 style files"):
        loaded.prepare(RunInputs(options=Options(), sample=list))
