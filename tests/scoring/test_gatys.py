"""The scorer `gatys` with VGG16's layers and made-up weights: what is optimised, and how frames follow each other."""

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
from scoring.pipeline.frame_guard import NonFiniteOutputError
from scoring.scorers import gatys as module
from scoring.scorers.gatys import Gatys
from scoring.types import FramePosition, RunInputs, StyleFile

CPU = torch.device("cpu")


class CountingVgg(Vgg):
    """Counts how often it is asked."""

    asked = 0

    def forward(self, pictures, last="relu4_3"):
        self.asked += 1
        return super().forward(pictures, last)


def made_up_vgg():
    torch.manual_seed(3)
    vgg = CountingVgg()
    for convolution in vgg.convolutions:
        torch.nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        torch.nn.init.zeros_(convolution.bias)
    return vgg


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Pictures as small as these are done sooner on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def _thin_margin(monkeypatch):
    """For tests of many steps: less to paint around the picture."""
    monkeypatch.setattr(module, "MARGIN", 2)


@pytest.fixture(scope="module")
def vgg():
    return made_up_vgg()


@pytest.fixture(scope="module")
def gatys(vgg):
    return Gatys(vgg, CPU)


@pytest.fixture(scope="module")
def stripes():
    """A painting of orange and blue stripes, as a file."""
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
    """A large smooth picture, of which frames are cut."""
    small = np.random.default_rng(5).integers(0, 256, (14, 18, 3), np.uint8)
    return np.array(Image.fromarray(small).resize((144, 112), Image.Resampling.BICUBIC))


def at(index):
    return (FramePosition(index, index / 25),)


@pytest.mark.usefixtures("_thin_margin")
def test_each_step_brings_the_painting_nearer(vgg, gatys, run_of, score_of, scene):
    frame = scene[:24, :32]
    prepared = gatys.prepare(run_of(frame))
    target = {tap: torch.from_numpy(gram)[None] for tap, gram in prepared.items() if tap != "colours"}
    losses = []
    for steps in (1, 6, 18):
        painted = score_of(frame, steps=steps)(frame[None], at(0))
        with torch.no_grad():
            seen = vgg(torch.from_numpy(painted).permute(0, 3, 1, 2).float() / 255)
        losses.append(float(style_loss(seen, target)))
    assert losses[0] > losses[1] > losses[2]


def test_prepared_are_the_grams_of_the_painting_at_the_frames_size(vgg, gatys, run_of, scene):
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
def test_a_frame_begins_in_the_paintings_colours(score_of, run_of, gatys, scene):
    frame = scene[:24, :32]
    painted = score_of(frame, steps=1)(frame[None], at(0))
    wanted = gatys.prepare(run_of(frame))["colours"][0]
    assert np.abs(frame.mean((0, 1)) - wanted).max() > 20
    assert np.abs(painted.mean((0, 1, 2)) - wanted).max() < 13, "one step moves a pixel by up to 12.75"


@settings(max_examples=6)
@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_comes_back_as_it_was(gatys, run_of, height, width):
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    run = run_of(frame, steps=1)
    score = gatys.open(run, gatys.prepare(run))
    for index in range(2):
        painted = score(frame[None], at(index))
        assert painted.shape == (1, height, width, 3)
        assert painted.dtype == np.uint8


@pytest.mark.usefixtures("_thin_margin")
def test_the_same_frames_come_out_the_same_one_by_one_or_together(score_of, scene):
    frames = np.stack([scene[i : i + 20, i : i + 26] for i in range(3)])
    score, again = score_of(frames[0], steps=4), score_of(frames[0], steps=4)
    one_by_one = np.concatenate([score(frames[i : i + 1], at(i)) for i in range(3)])
    assert np.array_equal(again(frames, at(0) + at(1) + at(2)), one_by_one)


@pytest.mark.usefixtures("_thin_margin")
def test_a_frame_begins_where_the_one_before_ended_moved_along(score_of, scene):
    first, second = scene[20:60, 20:76], scene[20:60, 24:80]  # the camera moves 4 pixels to the right
    score = score_of(first, steps=15)
    before = score(first[None], at(0))[0].astype(int)
    # The learning rate is all that one step of Adam moves a pixel by, and it falls: five steps from 0.02 come to 15.
    after = score(second[None], at(1))[0].astype(int)
    inner = (slice(8, -8), slice(8, -12))
    moved = before[:, 4:][inner[0], 8:-8]
    there = after[:, : before.shape[1] - 4][inner[0], 8:-8]
    stayed = before[:, :-4][inner[0], 8:-8]
    assert np.abs(there - moved).mean() < 0.5 * np.abs(there - stayed).mean()
    assert np.abs(there - moved).max() <= 30


def asked_by(vgg, score, frame, index):
    before = vgg.asked
    score(frame[None], at(index))
    return vgg.asked - before


@pytest.mark.usefixtures("_thin_margin")
def test_frames_that_follow_take_a_third_of_the_steps(vgg, score_of, scene, noise, monkeypatch):
    frame = scene[:24, :32]
    score = score_of(frame, steps=9)
    assert asked_by(vgg, score, frame, 4) == 1 + 9
    assert asked_by(vgg, score, frame, 5) == 1 + 3
    assert asked_by(vgg, score, frame, 7) == 1 + 9, "behind a gap"
    assert asked_by(vgg, score, noise(24, 32, 3), 8) == 1 + 9, "behind a cut"
    assert asked_by(vgg, score, scene[:20, :32], 9) == 1 + 9, "of another size"
    assert asked_by(vgg, score, scene[:20, :32], 10) == 1 + 3
    assert asked_by(vgg, score_of(frame, steps=1), frame, 0) == 1 + 1
    monkeypatch.setattr(module, "STEPS", 5)
    assert asked_by(vgg, score_of(frame), frame, 0) == 1 + 5


@pytest.mark.usefixtures("_thin_margin")
def test_frames_are_not_changed_and_may_be_written_over(score_of, scene):
    frames = scene[None, :20, :26].copy()
    kept = frames.copy()
    score, again = score_of(frames[0], steps=3), score_of(frames[0], steps=3)
    score(frames, at(0))
    assert np.array_equal(frames, kept)
    frames[:] = 0
    again(kept, at(0))
    assert np.array_equal(score(kept, at(1)), again(kept, at(1)))


@pytest.mark.parametrize("steps", [0, 2001, True, "60", 1.5])
def test_a_number_of_steps_that_is_none_is_refused(gatys, run_of, scene, steps):
    run = run_of(scene, steps=steps)
    with pytest.raises(InputError, match="whole number from 1 to 2000"):
        gatys.prepare(run)
    with pytest.raises(InputError, match="whole number from 1 to 2000"):
        gatys.open(run, gatys.prepare(run_of(scene)))


def test_exactly_one_painting_is_wanted(gatys, run_of, scene):
    with pytest.raises(InternalError, match="0 style files"):
        gatys.prepare(run_of(scene, files=()))


def test_what_was_prepared_for_something_else_is_refused(gatys, run_of, scene):
    prepared = dict(gatys.prepare(run_of(scene)))
    for other in ({}, prepared | {"relu4_3": prepared["relu3_3"]}, {**prepared, "in1": np.zeros(3, np.float32)}):
        with pytest.raises(InternalError, match="does not describe a painting"):
            gatys.open(run_of(scene), other)


def test_a_picture_of_no_numbers_has_its_place(run_of, scene):
    wild = made_up_vgg()
    sober = Gatys(wild, CPU)
    run = run_of(scene[:20, :20], steps=2)
    score = sober.open(run, sober.prepare(run))
    score(scene[None, :20, :20], at(0))
    wild.convolutions[0].weight.fill_(3e38)
    with pytest.raises(NonFiniteOutputError) as caught:
        score(np.stack([scene[:20, :20]] * 2), at(1) + at(2))
    assert caught.value.position == 0
    assert caught.value.fault is InputError


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 120))
def test_a_painting_is_seen_at_the_frames_size(height, width, side):
    seen = module._at_side(np.zeros((height, width, 3), np.uint8), side)
    assert min(seen.shape[:2]) == max(side, module.SMALLEST_PAINTING)
    assert max(seen.shape[:2]) <= 2 * min(seen.shape[:2])


def test_weights_are_loaded_from_their_file_if_they_are_the_planned_ones(vgg, tmp_path, monkeypatch):
    with pytest.raises(MissingError, match="no VGG16 weights"):
        Gatys.load(tmp_path)
    data = safetensors.torch.save(vgg.state_dict())
    (tmp_path / VGG).write_bytes(data)
    with pytest.raises(DamagedError, match="sha256"):
        Gatys.load(tmp_path)
    monkeypatch.setattr(module, "VGG_WEIGHTS", hashlib.sha256(data).hexdigest())
    loaded = Gatys.load(tmp_path)
    assert torch.equal(loaded._vgg.convolutions[9].weight.cpu().contiguous(), vgg.convolutions[9].weight)
    assert loaded.in_order
    assert loaded.makes == "pictures"
    assert loaded.frames_per_forward == 1
