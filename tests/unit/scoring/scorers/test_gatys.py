"""The scorer `gatys` with VGG16's layers and random weights: what is optimized, and how frames depend on each other."""

import hashlib
import io

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from frame_tools.contracts.errors import DamagedError, InputError, InternalError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.media.images import encode_png
from scoring.inference.weight_files import VGG
from scoring.perception.losses import grams, style_loss
from scoring.perception.vgg import Vgg
from scoring.scorers import gatys as module
from scoring.scorers.gatys import Gatys
from scoring.types import FramePosition, NonFiniteOutputError, RunInputs, StyleFile

CPU = torch.device("cpu")


class CountingVgg(Vgg):
    """Counts its forward passes."""

    passes = 0

    def forward(self, pictures, last="relu4_3"):
        self.passes += 1
        return super().forward(pictures, last)


def random_vgg():
    torch.manual_seed(3)
    vgg = CountingVgg()
    for convolution in vgg.convolutions:
        assert isinstance(convolution, torch.nn.Conv2d)
        assert convolution.bias is not None
        torch.nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        torch.nn.init.zeros_(convolution.bias)
    return vgg


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Use one thread, which is faster for pictures as small as these."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def _thin_margin(monkeypatch):
    """Paint less around the picture in tests of many steps."""
    monkeypatch.setattr(module, "MARGIN", 2)


@pytest.fixture(scope="module")
def vgg():
    return random_vgg()


@pytest.fixture(scope="module")
def gatys(vgg):
    return Gatys(vgg, CPU)


@pytest.fixture(scope="module")
def stripes():
    """Return a painting of orange and blue stripes, as a file."""
    rows, columns = np.mgrid[0:50, 0:70]
    blue = (np.sin((rows + columns) / 3) > 0)[..., None]
    return StyleFile(
        "stripes.png", encode_png(Image.fromarray(np.where(blue, (20, 40, 200), (230, 150, 20)).astype(np.uint8)))
    )


@pytest.fixture(scope="module")
def run_of(stripes):
    def make(frame, files=None, **arguments):
        options = Options.model_construct(scorer="gatys", arguments=arguments)
        return RunInputs(options=options, styles=(stripes,) if files is None else files, sample=lambda: [frame])

    return make


@pytest.fixture
def score_of(gatys, run_of):
    def make(frame, **arguments):
        run = run_of(frame, **arguments)
        return gatys.open(run, gatys.prepare(run))

    return make


@pytest.fixture(scope="module")
def scene():
    """Return a large smooth picture, from which frames are cropped."""
    small = np.random.default_rng(5).integers(0, 256, (14, 18, 3), np.uint8)
    return np.array(Image.fromarray(small).resize((144, 112), Image.Resampling.BICUBIC))


def at(index):
    return (FramePosition(index, index / 25),)


@pytest.mark.usefixtures("_thin_margin")
def test_more_steps_lower_the_style_loss(vgg, gatys, run_of, score_of, scene):
    frame = scene[:24, :32]
    prepared = gatys.prepare(run_of(frame))
    target = {tap: torch.from_numpy(gram)[None] for tap, gram in prepared.items() if tap != "colours"}
    losses = []
    for steps in (1, 6, 18):
        painted = score_of(frame, steps=steps)(frame[None], at(0))
        with torch.no_grad():
            features = vgg(torch.from_numpy(painted).permute(0, 3, 1, 2).float() / 255)
        losses.append(float(style_loss(features, target)))
    assert losses[0] > losses[1] > losses[2]


def test_painting_is_prepared_at_frame_size(vgg, gatys, run_of, scene):
    with Image.open(io.BytesIO(run_of(scene).styles[0].data)) as image:
        painting = np.array(image)
    x = torch.from_numpy(painting).permute(2, 0, 1)[None].float() / 255
    prepared = gatys.prepare(run_of(scene[:50, :60]))
    with torch.no_grad():
        for tap, gram in grams(vgg(x)).items():
            np.testing.assert_allclose(prepared[tap], gram[0].numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prepared["colours"], [painting.mean((0, 1)), painting.std((0, 1))], rtol=1e-4)
    assert not np.allclose(gatys.prepare(run_of(scene[:90]))["relu1_2"], prepared["relu1_2"], rtol=1e-2)


@pytest.mark.usefixtures("_thin_margin")
def test_first_frame_is_initialized_in_painting_colors(score_of, run_of, gatys, scene):
    frame = scene[:24, :32]
    painted = score_of(frame, steps=1)(frame[None], at(0))
    mean_color = gatys.prepare(run_of(frame))["colours"][0]
    assert np.abs(frame.mean((0, 1)) - mean_color).max() > 20
    assert np.abs(painted.mean((0, 1, 2)) - mean_color).max() < 13, "one step moves a pixel by up to 12.75"


@settings(max_examples=6)
@given(st.integers(1, 40), st.integers(1, 40))
def test_output_has_the_shape_of_the_input(gatys, run_of, height, width):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    run = run_of(frame, steps=1)
    score = gatys.open(run, gatys.prepare(run))
    for index in range(2):
        painted = score(frame[None], at(index))
        assert painted.shape == (1, height, width, 3)
        assert painted.dtype == np.uint8


@pytest.mark.usefixtures("_thin_margin")
def test_batch_equals_single_frames(score_of, scene):
    frames = np.stack([scene[i : i + 20, i : i + 26] for i in range(3)])
    score, again = score_of(frames[0], steps=4), score_of(frames[0], steps=4)
    one_by_one = np.concatenate([score(frames[i : i + 1], at(i)) for i in range(3)])
    assert np.array_equal(again(frames, at(0) + at(1) + at(2)), one_by_one)


@pytest.mark.usefixtures("_thin_margin")
def test_next_frame_is_initialized_with_the_warped_result(score_of, scene):
    first, second = scene[20:60, 20:76], scene[20:60, 24:80]  # the camera moves 4 pixels to the right
    score = score_of(first, steps=15)
    before = score(first[None], at(0))[0].astype(int)
    # One step of Adam moves a pixel by at most the learning rate, which falls: five steps from 0.02 sum to 15.
    after = score(second[None], at(1))[0].astype(int)
    inner = (slice(8, -8), slice(8, -12))
    moved = before[:, 4:][inner[0], 8:-8]
    actual = after[:, : before.shape[1] - 4][inner[0], 8:-8]
    stayed = before[:, :-4][inner[0], 8:-8]
    assert np.abs(actual - moved).mean() < 0.5 * np.abs(actual - stayed).mean()
    assert np.abs(actual - moved).max() <= 30


def count_passes(vgg, score, frame, index):
    before = vgg.passes
    score(frame[None], at(index))
    return vgg.passes - before


@pytest.mark.usefixtures("_thin_margin")
def test_warm_started_frames_take_a_third_of_the_steps(vgg, score_of, scene, noise, monkeypatch):
    frame = scene[:24, :32]
    score = score_of(frame, steps=9)
    assert count_passes(vgg, score, frame, 4) == 1 + 9
    assert count_passes(vgg, score, frame, 5) == 1 + 3
    assert count_passes(vgg, score, frame, 7) == 1 + 9, "after a gap"
    assert count_passes(vgg, score, noise(24, 32, 3), 8) == 1 + 9, "after a scene cut"
    assert count_passes(vgg, score, scene[:20, :32], 9) == 1 + 9, "after another size"
    assert count_passes(vgg, score, scene[:20, :32], 10) == 1 + 3
    assert count_passes(vgg, score_of(frame, steps=1), frame, 0) == 1 + 1
    monkeypatch.setattr(module, "STEPS", 5)
    assert count_passes(vgg, score_of(frame), frame, 0) == 1 + 5


@pytest.mark.usefixtures("_thin_margin")
def test_frames_are_copied(score_of, scene):
    frames = scene[None, :20, :26].copy()
    kept = frames.copy()
    score, again = score_of(frames[0], steps=3), score_of(frames[0], steps=3)
    score(frames, at(0))
    assert np.array_equal(frames, kept)
    frames[:] = 0
    again(kept, at(0))
    assert np.array_equal(score(kept, at(1)), again(kept, at(1)))


@pytest.mark.parametrize("steps", [0, 2001, True, "60", 1.5])
def test_invalid_number_of_steps_is_rejected(gatys, run_of, scene, steps):
    run = run_of(scene, steps=steps)
    with pytest.raises(InputError, match="whole number from 1 to 2000"):
        gatys.prepare(run)
    with pytest.raises(InputError, match="whole number from 1 to 2000"):
        gatys.open(run, gatys.prepare(run_of(scene)))


def test_run_without_a_painting_is_rejected(gatys, run_of, scene):
    with pytest.raises(InternalError, match="0 style files"):
        gatys.prepare(run_of(scene, files=()))


def test_prepared_values_of_another_kind_are_rejected(gatys, run_of, scene):
    prepared = dict(gatys.prepare(run_of(scene)))
    for invalid in ({}, prepared | {"relu4_3": prepared["relu3_3"]}, {**prepared, "in1": np.zeros(3, np.float32)}):
        with pytest.raises(InternalError, match="describe a painting"):
            gatys.open(run_of(scene), invalid)


def test_non_finite_output_names_the_frame(run_of, scene):
    broken_vgg = random_vgg()
    broken = Gatys(broken_vgg, CPU)
    run = run_of(scene[:20, :20], steps=2)
    score = broken.open(run, broken.prepare(run))
    score(scene[None, :20, :20], at(0))
    broken_vgg.convolutions[0].weight.fill_(3e38)
    with pytest.raises(NonFiniteOutputError) as caught:
        score(np.stack([scene[:20, :20]] * 2), at(1) + at(2))
    assert caught.value.position == 0
    assert caught.value.fault is InputError


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 120))
def test_painting_is_scaled_to_the_size_of_the_frames(height, width, side):
    scaled = module._scale(np.zeros((height, width, 3), np.uint8), side)
    assert min(scaled.shape[:2]) == max(side, module.MIN_PAINTING_SIDE)
    assert max(scaled.shape[:2]) <= 64 * min(scaled.shape[:2])
    aspect = scaled.shape[1] / scaled.shape[0]
    assert aspect == pytest.approx(width / height, rel=0.05) or max(height, width) > 60 * min(height, width)


def test_every_part_of_a_long_painting_counts(gatys, run_of, scene):
    picture = np.random.default_rng(2).integers(0, 256, (32, 160, 3), np.uint8)

    def prepared(picture):
        file = StyleFile("long.png", encode_png(Image.fromarray(picture)))
        return gatys.prepare(run_of(scene[:24, :32], files=(file,)))

    whole = prepared(picture)
    for column in (0, 64, 128):
        other = picture.copy()
        other[:, column : column + 32] //= 4
        assert any(np.abs(values - prepared(other)[name]).max() > 1e-6 for name, values in whole.items())


def test_load_verifies_the_weights(vgg, tmp_path, monkeypatch):
    with pytest.raises(MissingError, match="VGG16 weights"):
        Gatys.load(tmp_path)
    data = safetensors.torch.save(vgg.state_dict())
    (tmp_path / VGG).write_bytes(data)
    with pytest.raises(DamagedError, match="sha256"):
        Gatys.load(tmp_path)
    monkeypatch.setattr(module, "VGG_WEIGHTS", hashlib.sha256(data).hexdigest())
    loaded = Gatys.load(tmp_path)
    loaded_layer, layer = loaded._vgg.convolutions[9], vgg.convolutions[9]
    assert isinstance(loaded_layer, torch.nn.Conv2d)
    assert isinstance(layer, torch.nn.Conv2d)
    assert torch.equal(loaded_layer.weight.cpu().contiguous(), layer.weight)
    assert loaded.in_order
    assert loaded.makes == "pictures"
    assert loaded.frames_per_forward == 1
