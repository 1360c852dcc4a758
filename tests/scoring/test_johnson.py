"""The scorer `johnson` paints what the published network paints, at any size, by its own or the run's statistics."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.options import Options
from scoring.inference import device
from scoring.inference.mixed_precision import CheckedHalfPrecision
from scoring.pipeline.frame_guard import NonFiniteOutputError, SupportsFullPrecision
from scoring.scorers.johnson.layers import expected_shapes
from scoring.scorers.johnson.network import Network
from scoring.scorers.johnson.scorer import Johnson
from scoring.types import RunInputs, StyleFile
from tests.scoring.johnson_oracle import made_up_state, published, saved

sides = st.integers(1, 45)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def state():
    return made_up_state()


@pytest.fixture(scope="module")
def made_up_file(state):
    return StyleFile("waves.pth", saved(state))


@pytest.fixture(scope="module")
def loaded():
    return Johnson(CPU)


@pytest.fixture(scope="module")
def run_of(made_up_file):
    def make(statistics, sample=(), file=made_up_file):
        options = Options.model_construct(scorer="johnson", statistics=statistics)
        return RunInputs(options=options, styles=(file,), sample=lambda: list(sample))

    return make


@pytest.fixture(scope="module")
def score(loaded, run_of):
    return loaded.open(run_of("frame"), {})


def as_tensor(frames):
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()


def assert_painted(got, want):
    """`want`: float (B, 3, H, W); rounding alone may differ."""
    np.testing.assert_allclose(got, want.clamp(0, 255).permute(0, 2, 3, 1).numpy(), atol=0.51, rtol=0)


def test_the_checkpoint_is_described_as_the_published_module_would_be(state):
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected_shapes()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 36), (24, 40), (60, 20)])
def test_network_is_the_published_one(state, height, width):
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        torch.testing.assert_close(Network(state, CPU)(x), published(state, x), atol=0.02, rtol=0)


def test_each_frame_is_normalised_by_itself(state, score, noise):
    frames = np.stack([noise(20, 28, 3), noise(20, 28, 3, seed=1) // 4])
    assert_painted(score(frames, ()), torch.cat([published(state, as_tensor(frame[None])) for frame in frames]))


def test_shared_statistics_are_those_of_all_frames_together(state, loaded, run_of, noise):
    frames = np.stack([noise(32, 28, 3, seed=i) // (i + 1) for i in range(3)])
    run = run_of("shared", frames)
    score = loaded.open(run, loaded.prepare(run))
    assert_painted(score(frames[:1], ()), published(state, as_tensor(frames))[:1])
    assert_painted(score(frames[2:], ()), published(state, as_tensor(frames))[2:])


def test_statistics_are_the_same_twice_and_on_any_number_of_cores(run_of, noise, monkeypatch):
    run = run_of("shared", [noise(33, 45, 3, seed=i) for i in range(4)])
    found = []
    for cores in (1, 3, 3):
        monkeypatch.setattr(device, "available_cores", lambda cores=cores: cores)
        scorer = Johnson(CPU)
        assert scorer.frames_per_forward == cores
        found.append({name: values.tobytes() for name, values in scorer.prepare(run).items()})
    assert found[0] == found[1] == found[2]


@given(sides, sides, st.integers(1, 2))
def test_any_size_and_batch_comes_back_as_it_was(score, height, width, batch):
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    painted = score(frames, ())
    assert painted.shape == frames.shape
    assert painted.dtype == np.uint8


def test_odd_sizes_are_painted_as_the_mirrored_picture(state, score, noise):
    frame = noise(1, 27, 30, 3)
    mirrored = np.concatenate([frame, frame[:, -2:-3:-1]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[:, :, -2:-4:-1]], axis=2)
    assert_painted(score(frame, ()), published(state, as_tensor(mirrored))[:, :, :27, :30])


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_a_batch_is_its_frames_bit_for_bit(loaded, run_of, noise, statistics):
    run = run_of(statistics, [noise(24, 24, 3)])
    score = loaded.open(run, loaded.prepare(run))
    frames = noise(5, 36, 52, 3)
    assert np.array_equal(score(frames, ()), np.concatenate([score(frame[None], ()) for frame in frames]))


def test_the_guard_can_have_frames_done_again_in_full(score, noise):
    frames = noise(2, 16, 16, 3)
    assert isinstance(score, SupportsFullPrecision)
    assert np.array_equal(score.score_full_precision(frames, ()), score(frames, ()))


def test_frames_are_not_changed(score, noise):
    frames = noise(2, 16, 16, 3)
    before = frames.copy()
    score(frames, ())
    assert np.array_equal(frames, before)


def test_statistics_of_another_network_are_refused(loaded, run_of, noise):
    run = run_of("shared", [noise(16, 16, 3)])
    prepared = dict(loaded.prepare(run))
    prepared["in1"] = prepared["in1"][:, :31]
    with pytest.raises(InternalError, match="not the statistics"):
        loaded.open(run, prepared)
    with pytest.raises(InternalError, match="not the statistics"):
        loaded.open(run, {})


def test_a_picture_of_no_numbers_is_the_checkpoints_fault_and_has_its_place(loaded, run_of, state, noise):
    wild = dict(state)
    wild["deconv3.conv2d.weight"] = torch.full_like(state["deconv3.conv2d.weight"], 3e38)
    score = loaded.open(run_of("frame", file=StyleFile("wild.pth", saved(wild))), {})
    with pytest.raises(NonFiniteOutputError, match="no numbers") as caught:
        score(noise(2, 16, 16, 3), ())
    assert caught.value.position == 0
    assert caught.value.fault is InputError


def test_statistics_of_no_numbers_are_refused_before_a_frame_is_painted(loaded, run_of, state, noise):
    wild = dict(state)
    wild["res3.conv1.conv2d.weight"] = torch.full_like(state["res3.conv1.conv2d.weight"], 3e38)
    with pytest.raises(InputError, match="no numbers"):
        loaded.prepare(run_of("shared", [noise(16, 16, 3)], file=StyleFile("wild.pth", saved(wild))))


def test_exactly_one_file_is_wanted(loaded):
    with pytest.raises(InternalError, match="0 style files"):
        loaded.prepare(RunInputs(options=Options(), sample=list))


class Counting:
    """A network that says in which precision it ran."""

    def __init__(self, worse):
        self.ran = []
        self.worse = worse

    def __call__(self, x):
        half = torch.is_autocast_enabled("cpu")
        self.ran.append("half" if half else "full")
        return x + self.worse if half else x


STRIPES = torch.tensor([60.0, 120.0]).repeat(2, 3, 4, 2)


def test_half_precision_is_used_if_it_paints_the_same():
    network = Counting(0.5)
    forward = CheckedHalfPrecision(network, span=255)
    assert forward(STRIPES).shape == STRIPES.shape
    forward(STRIPES)
    assert network.ran == ["half", "full", "half", "half"]


@pytest.mark.parametrize("worse", [5.0, float("nan")])
def test_half_precision_is_not_used_if_it_paints_something_else(worse):
    network = Counting(worse)
    forward = CheckedHalfPrecision(network, span=255)
    assert torch.equal(forward(STRIPES), STRIPES)
    forward(STRIPES)
    assert network.ran == ["half", "full", "full", "full"]


def test_what_half_precision_can_not_hold_is_done_again_in_full():
    network = Counting(0.0)
    forward = CheckedHalfPrecision(network, span=255)
    forward(STRIPES)
    network.worse = float("inf")
    assert torch.equal(forward(STRIPES), STRIPES)


@pytest.mark.parametrize("worse", [0.0, 50.0])
def test_a_frame_that_shows_nothing_decides_nothing(worse):
    network = Counting(worse)
    forward = CheckedHalfPrecision(network, span=255)
    for level in (0.0, 255.0):
        forward(torch.full((2, 3, 4, 4), level))
    assert network.ran == ["full", "full"]
    forward(STRIPES)
    assert network.ran[2:4] == ["half", "full"]
