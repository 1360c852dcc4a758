"""The scorers `any` and `tuned`: sizes, batches, mixed and changing styles, determinism, non-finite output."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from frame_tools.contracts.errors import InternalError
from frame_tools.media.images import encode_png
from scoring import image_codec
from scoring.inference.mixed_precision import CheckedHalfPrecision
from scoring.scorers.any_painting import weights as weights_module
from scoring.scorers.any_painting.conditional_norm import STYLE_PARAMETERS, StyleCondition
from scoring.scorers.any_painting.scorer import AnyPainting, ConditionKeyframe, pad, style_at
from scoring.scorers.any_painting.tuned import dump_style
from scoring.types import CONTRAST, FramePosition, NonFiniteOutputError, StyleMix
from tests.support.scorer_runs import opened, painting, positions, run_of
from tests.unit.scoring.scorers.any_painting.golden_frames import CASES, FOLDER, painted

sides = st.integers(1, 45)


@given(sides, sides, st.integers(1, 3))
def test_output_has_the_shape_of_the_input(score, height, width, batch):
    frames = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    painted = score(frames, positions(batch))
    assert painted.shape == frames.shape
    assert painted.dtype == np.uint8


@given(sides, sides)
def test_padding_keeps_the_frame_and_reflects(height, width):
    x = torch.rand(1, 1, height, width)
    padded = pad(x)
    assert torch.equal(padded[..., :height, :width], x)
    assert all(side % 4 == 0 and side >= 8 for side in padded.shape[2:])
    beyond = padded.shape[3] - width
    if 0 < beyond < width:
        assert torch.equal(padded[..., :height, width], x[..., width - 2])


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_batch_equals_single_frames_bit_for_bit(scorer, noise, statistics):
    frames = noise(5, 36, 52, 3)
    score = opened(scorer, run_of(statistics=statistics))
    alone = [score(frame[None], positions(1, start=i)) for i, frame in enumerate(frames)]
    assert np.array_equal(score(frames, positions(5)), np.concatenate(alone))


def test_contrast_is_known_for_each_style_mix(scorer):
    gray = [np.full((40, 56, 3), 128, np.uint8)] * 2
    mixes = (StyleMix(0, (1.0, 0.0)), StyleMix(1, (0.0, 1.0)))
    styles = [("a.png", painting()), ("b.png", painting(2.0))]
    contrast = scorer.prepare(run_of(*styles, style_mixes=mixes, frames=lambda: list(gray), calm=0.5))[CONTRAST]
    assert contrast.shape == (2,)
    assert (contrast < 0.1).all()
    assert scorer.prepare(run_of(calm=0))[CONTRAST] == pytest.approx([1.0])
    assert CONTRAST not in scorer.prepare(run_of(statistics="frame"))


def test_scoring_is_deterministic(score, weights, noise):
    frames = noise(2, 90, 120, 3)
    once = score(frames, positions(2))
    assert np.array_equal(once, score(frames, positions(2)))
    assert np.array_equal(once, opened(AnyPainting.load(weights))(frames, positions(2)))


def test_shared_statistics_isolate_distant_regions(scorer, noise):
    """A bright region far away changes the left half of a frame only with per-frame statistics."""
    dark = noise(1, 64, 400, 3) // 4
    lit = dark.copy()
    lit[:, :, 300:] = 255
    for statistics, is_isolated in (("shared", True), ("frame", False)):
        score = opened(scorer, run_of(statistics=statistics))
        left = [score(frames, positions(1))[:, :, :200].astype(int) for frames in (dark, lit)]
        assert (np.abs(left[0] - left[1]).max() <= 1) == is_isolated


def test_statistics_are_those_of_the_sample(scorer, noise):
    frames = noise(1, 40, 40, 3)
    dark = opened(scorer, run_of(frames=lambda: [noise(40, 40, 3, seed=3) // 8]))
    bright = opened(scorer, run_of(frames=lambda: [255 - noise(40, 40, 3, seed=3) // 8]))
    assert np.abs(dark(frames, positions(1)).astype(int) - bright(frames, positions(1))).mean() > 10


def test_the_sample_is_read_while_the_style_is_predicted(scorer, monkeypatch):
    is_reading = threading.Event()
    predict = scorer._predict

    def predict_later(square):
        assert is_reading.wait(60), "the sample is read only afterwards"
        return predict(square)

    def sample():
        is_reading.set()
        return [np.zeros((40, 40, 3), np.uint8)]

    monkeypatch.setattr(scorer, "_predict", predict_later)
    assert set(scorer.prepare(run_of(frames=sample))) == {"styles", "statistics", CONTRAST}


def test_another_painting_gives_another_result(scorer, score, noise):
    frames = noise(1, 64, 64, 3)
    orange = encode_png(Image.fromarray(np.full((300, 300, 3), (250, 120, 10), np.uint8)))
    other = opened(scorer, run_of(("orange.png", orange)))
    assert np.abs(score(frames, positions(1)).astype(int) - other(frames, positions(1))).mean() > 10


def style_of(scorer, picture):
    file = encode_png(Image.fromarray(np.ascontiguousarray(picture)))
    styles = scorer.prepare(run_of(("a.png", file), statistics="frame"))["styles"]
    assert styles.shape == (1, STYLE_PARAMETERS)
    return styles[0]


@pytest.mark.parametrize("is_tall", [False, True])
def test_every_part_of_a_painting_counts(scorer, noise, is_tall):
    whole = noise(80, 400, 3)
    whole[:, 160:240] //= 4
    style = style_of(scorer, whole.swapaxes(0, 1) if is_tall else whole)
    for column in (0, 120, 200, 330):
        other = whole.copy()
        other[:, column : column + 60] = 255 - other[:, column : column + 60]
        assert np.abs(style_of(scorer, other.swapaxes(0, 1) if is_tall else other) - style).max() > 0.01


def test_style_is_the_mean_of_the_squares(scorer, noise):
    painting = noise(80, 400, 3)
    squares = [style_of(scorer, painting[:, start : start + 80]) for start in range(0, 400, 80)]
    np.testing.assert_allclose(style_of(scorer, painting), np.mean(squares, axis=0), atol=1e-4)


def two_paintings(*mixes, **options):
    return run_of(
        ("a.png", painting()), ("b.png", painting(2.0)), style_mixes=tuple(StyleMix(*mix) for mix in mixes), **options
    )


def test_mix_of_one_painting_is_that_painting(scorer, score, noise):
    frames = noise(1, 40, 40, 3)
    mixed = opened(scorer, two_paintings((0, (1.0, 0.0))))
    assert np.array_equal(mixed(frames, positions(1)), score(frames, positions(1)))


def test_equal_mix_differs_from_both_paintings(scorer, noise):
    frames, at = noise(1, 40, 40, 3), positions(1)
    first, half, second = (
        opened(scorer, two_paintings((0, (1 - share, share))))(frames, at).astype(int) for share in (0, 0.5, 1)
    )
    assert np.abs(first - second).mean() > np.abs(first - half).mean() > 1
    assert np.abs(second - half).mean() > 1


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_style_changes_smoothly_with_time(scorer, noise, statistics):
    """Between two mixes the change grows with time; a frame at one time is the same in any batch."""
    frame = noise(1, 40, 40, 3)
    run = two_paintings((1.0, (1.0, 0.0)), (2.0, (0.0, 1.0)), statistics=statistics)
    score = opened(scorer, run)
    at = {seconds: score(frame, (FramePosition(0, seconds),)).astype(int) for seconds in (0, 1, 1.25, 1.5, 1.75, 2, 9)}
    assert np.array_equal(at[0], at[1])
    assert np.array_equal(at[2], at[9])
    distances = [np.abs(at[seconds] - at[1]).mean() for seconds in (1, 1.25, 1.5, 1.75, 2)]
    assert distances == sorted(distances)
    assert distances[-1] > 4
    steps = [np.abs(at[b] - at[a]).mean() for a, b in ((1, 1.25), (1.25, 1.5), (1.5, 1.75), (1.75, 2))]
    assert max(steps) < 0.6 * distances[-1]
    together = score(np.concatenate([frame, frame]), (FramePosition(3, 1.25), FramePosition(4, 1.5)))
    assert np.array_equal(together[0], at[1.25][0])
    assert np.array_equal(together[1], at[1.5][0])


@given(st.floats(0, 10), st.lists(st.floats(0, 10), min_size=1, max_size=4, unique=True).map(sorted))
def test_style_at_interpolates_between_keyframes(seconds, times):
    keyframes = tuple(
        ConditionKeyframe(time, torch.full((STYLE_PARAMETERS,), float(i)), None) for i, time in enumerate(times)
    )
    value = style_at(keyframes, seconds).style[-1].item()
    assert value == pytest.approx(np.interp(seconds, times, range(len(times))), abs=1e-4)


def test_tuned_style_paints_and_mixes_like_its_painting(scorer, score, noise):
    frames = noise(1, 40, 40, 3)
    style = scorer.prepare(run_of(statistics="frame"))["styles"][0]
    data = dump_style(style, painting="swirls.png", painting_sha256="0" * 64)
    tuned = opened(scorer, run_of(("swirls.safetensors", data)))
    assert np.array_equal(tuned(frames, positions(1)), score(frames, positions(1)))
    mixes = (StyleMix(0, (0.5, 0.5)),)
    mixed = opened(scorer, run_of(("swirls.safetensors", data), ("swirls.png", painting()), style_mixes=mixes))
    assert np.array_equal(mixed(frames, positions(1)), score(frames, positions(1)))


def test_prepared_values_of_another_run_are_rejected(scorer):
    prepared = scorer.prepare(run_of())
    with pytest.raises(InternalError, match="prepared values"):
        scorer.open(two_paintings((0, (0.5, 0.5))), prepared)
    with pytest.raises(InternalError, match="prepared values"):
        scorer.open(run_of(), {"styles": prepared["styles"] * np.nan})


@pytest.mark.parametrize(
    "frames", [np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3)), np.zeros((1, 3, 8, 8), np.uint8)]
)
def test_frames_of_another_dtype_or_shape_are_rejected(score, frames):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        score(frames, positions(1))


def test_non_finite_output_names_the_frame(scorer, noise):
    run = run_of(statistics="frame")
    huge = np.where(np.arange(STYLE_PARAMETERS) % 2, 3e38, -3e38).astype(np.float32)
    score = scorer.open(run, {"styles": huge[None]})
    with pytest.raises(NonFiniteOutputError) as caught:
        score(noise(3, 16, 16, 3), positions(3))
    assert caught.value.position == 0


def test_half_precision_is_used_only_if_faithful(weights):
    transformer = weights_module.load_networks(weights, torch.device("cpu")).transformer
    style = transformer.style(torch.randn(100, generator=torch.Generator().manual_seed(1)))
    frame = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        for statistics in (None, transformer.measure(frame, style)):
            condition = StyleCondition(style, statistics)
            full = transformer(frame, StyleCondition(style, statistics))
            assert 0 < (CheckedHalfPrecision(transformer, span=1)(frame, condition) - full).abs().max() < 0.1
            assert torch.equal(transformer(frame, condition), full), "the cached kernels are in float32"
        transformer.contract.conv1.weight *= 1e5  # beyond the range of half precision
        painted = CheckedHalfPrecision(transformer, span=1)(frame, StyleCondition(style))
        torch.testing.assert_close(painted, transformer(frame, StyleCondition(style)))


@pytest.mark.parametrize("case", CASES)
def test_scene_matches_its_golden_frame(scorer, case):
    golden = image_codec.decode((FOLDER / f"{case}.png").read_bytes(), case)
    error = np.square(painted(scorer, case).astype(float) - golden).mean()
    assert error < 255**2 / 10**4.5, "below 45 dB: other weights, or another network"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_paint_the_same(score, weights, noise):
    frames = noise(4, 64, 80, 3)
    on_cpu = opened(AnyPainting(weights_module.load_networks(weights, torch.device("cpu")), torch.device("cpu")))
    difference = score(frames, positions(4)).astype(float) - on_cpu(frames, positions(4))
    assert 10 * np.log10(255**2 / np.square(difference).mean()) >= 38
