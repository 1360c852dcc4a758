"""The scorers `any` and `tuned`: sizes, batches, styles that mix and change, determinism, pictures of no numbers."""

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.media.images import encode_png
from scoring import image_codec
from scoring.inference.mixed_precision import CheckedHalfPrecision
from scoring.scorers.any_painting import weights as weights_module
from scoring.scorers.any_painting.conditional_norm import NORM_CHANNELS, STYLE_NUMBERS, StyleCondition
from scoring.scorers.any_painting.scorer import AnyPainting, Stop, pad, style_at
from scoring.scorers.any_painting.tuned import dump_style, load_style
from scoring.scorers.sampling import SAMPLE_PIXELS, subsample
from scoring.types import FramePosition, NonFiniteOutputError, StyleMix
from tests.scoring.painters_golden import CASES, painted
from tests.support.golden_pictures import FOLDER
from tests.support.scorer_runs import moments, opened, painting, run_of

sides = st.integers(1, 45)


@given(sides, sides, st.integers(1, 3))
def test_any_size_and_batch_comes_back_as_it_was(score, height, width, batch):
    image_codec = np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8)
    painted = score(image_codec, moments(batch))
    assert painted.shape == image_codec.shape
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


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_a_batch_is_its_frames_bit_for_bit(scorer, noise, statistics):
    image_codec = noise(5, 36, 52, 3)
    score = opened(scorer, run_of(statistics=statistics))
    alone = [score(frame[None], moments(1, start=i)) for i, frame in enumerate(image_codec)]
    assert np.array_equal(score(image_codec, moments(5)), np.concatenate(alone))


def test_the_same_bytes_twice_and_from_a_second_scorer(score, weights, noise):
    image_codec = noise(2, 90, 120, 3)
    once = score(image_codec, moments(2))
    assert np.array_equal(once, score(image_codec, moments(2)))
    assert np.array_equal(once, opened(AnyPainting.load(weights))(image_codec, moments(2)))


def test_shared_statistics_keep_a_light_that_comes_on_from_repainting_the_rest(scorer, noise):
    """The left half of a frame looks the same whatever happens far away from it; by its own statistics it does not."""
    dark = noise(1, 64, 400, 3) // 4
    lit = dark.copy()
    lit[:, :, 300:] = 255
    for statistics, alike in (("shared", True), ("frame", False)):
        score = opened(scorer, run_of(statistics=statistics))
        left = [score(image_codec, moments(1))[:, :, :200].astype(int) for image_codec in (dark, lit)]
        assert (np.abs(left[0] - left[1]).max() <= 1) == alike


def test_statistics_come_of_the_sample_that_the_run_names(scorer, noise):
    image_codec = noise(1, 40, 40, 3)
    dark = opened(scorer, run_of(frames=lambda: [noise(40, 40, 3, seed=3) // 8]))
    bright = opened(scorer, run_of(frames=lambda: [255 - noise(40, 40, 3, seed=3) // 8]))
    assert np.abs(dark(image_codec, moments(1)).astype(int) - bright(image_codec, moments(1))).mean() > 10


def test_a_large_sample_is_thinned_evenly():
    small = [np.zeros((4, 4, 3), np.uint8)] * 8
    assert len(subsample(small)) == 8
    large = [np.broadcast_to(np.uint8(i), (2160, 3840, 3)) for i in range(8)]
    chosen = subsample(large)
    assert sum(frame.shape[0] * frame.shape[1] for frame in chosen) <= SAMPLE_PIXELS
    assert [int(frame[0, 0, 0]) for frame in chosen] == [2, 6]
    assert len(subsample([np.broadcast_to(np.uint8(0), (8000, 8000, 3))])) == 1


def test_the_painting_decides(scorer, score, noise):
    image_codec = noise(1, 64, 64, 3)
    orange = encode_png(Image.fromarray(np.full((300, 300, 3), (250, 120, 10), np.uint8)))
    other = opened(scorer, run_of(("orange.png", orange)))
    assert np.abs(score(image_codec, moments(1)).astype(int) - other(image_codec, moments(1))).mean() > 10


def test_only_the_centre_square_of_a_painting_counts(scorer, noise):
    whole = noise(80, 200, 3)
    framed = whole.copy()
    framed[:, :59] = framed[:, -59:] = 0
    styles = [
        scorer.prepare(run_of(("a.png", encode_png(Image.fromarray(picture))), statistics="frame"))["styles"]
        for picture in (whole, framed)
    ]
    assert styles[0].shape == (1, STYLE_NUMBERS)
    assert np.array_equal(*styles)


def two_paintings(*keys, **words):
    return run_of(
        ("a.png", painting()), ("b.png", painting(2.0)), style_mixes=tuple(StyleMix(*key) for key in keys), **words
    )


def test_a_mixture_of_one_painting_is_that_painting(scorer, score, noise):
    image_codec = noise(1, 40, 40, 3)
    mixed = opened(scorer, two_paintings((0, (1.0, 0.0))))
    assert np.array_equal(mixed(image_codec, moments(1)), score(image_codec, moments(1)))


def test_half_and_half_is_neither(scorer, noise):
    image_codec, at = noise(1, 40, 40, 3), moments(1)
    first, half, second = (
        opened(scorer, two_paintings((0, (1 - share, share))))(image_codec, at).astype(int) for share in (0, 0.5, 1)
    )
    assert np.abs(first - second).mean() > np.abs(first - half).mean() > 1
    assert np.abs(second - half).mean() > 1


@pytest.mark.parametrize("statistics", ["shared", "frame"])
def test_styles_go_over_smoothly_with_time(scorer, noise, statistics):
    """From key to key each frame is further on; the same frame at the same time looks the same in any batch."""
    frame = noise(1, 40, 40, 3)
    run = two_paintings((1.0, (1.0, 0.0)), (2.0, (0.0, 1.0)), statistics=statistics)
    score = opened(scorer, run)
    at = {seconds: score(frame, (FramePosition(0, seconds),)).astype(int) for seconds in (0, 1, 1.25, 1.5, 1.75, 2, 9)}
    assert np.array_equal(at[0], at[1])
    assert np.array_equal(at[2], at[9])
    distances = [np.abs(at[seconds] - at[1]).mean() for seconds in (1, 1.25, 1.5, 1.75, 2)]
    assert distances == sorted(distances)
    assert distances[-1] > 5
    steps = [np.abs(at[b] - at[a]).mean() for a, b in ((1, 1.25), (1.25, 1.5), (1.5, 1.75), (1.75, 2))]
    assert max(steps) < 0.6 * distances[-1]
    together = score(np.concatenate([frame, frame]), (FramePosition(3, 1.25), FramePosition(4, 1.5)))
    assert np.array_equal(together[0], at[1.25][0])
    assert np.array_equal(together[1], at[1.5][0])


@given(st.floats(0, 10), st.lists(st.floats(0, 10), min_size=1, max_size=4, unique=True).map(sorted))
def test_the_brush_of_a_time_lies_between_the_keys_beside_it(seconds, times):
    stops = tuple(Stop(time, torch.full((STYLE_NUMBERS,), float(i)), None) for i, time in enumerate(times))
    value = style_at(stops, seconds).style[-1].item()
    assert value == pytest.approx(np.interp(seconds, times, range(len(times))), abs=1e-4)


def test_a_tuned_style_paints_like_the_painting_it_came_of_and_mixes(scorer, score, noise):
    image_codec = noise(1, 40, 40, 3)
    style = scorer.prepare(run_of(statistics="frame"))["styles"][0]
    data = dump_style(style, painting="swirls.png", painting_sha256="0" * 64)
    tuned = opened(scorer, run_of(("swirls.safetensors", data)))
    assert np.array_equal(tuned(image_codec, moments(1)), score(image_codec, moments(1)))
    keys = (StyleMix(0, (0.5, 0.5)),)
    mixed = opened(scorer, run_of(("swirls.safetensors", data), ("swirls.png", painting()), style_mixes=keys))
    assert np.array_equal(mixed(image_codec, moments(1)), score(image_codec, moments(1)))


GOOD = np.zeros(STYLE_NUMBERS, np.float32)
KERNELS, NORMS = GOOD[2 * NORM_CHANNELS :], GOOD[: 2 * NORM_CHANNELS].reshape(2, -1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a safetensors file"),
        (b"\x80\x04nonsense" * 9, "not a safetensors file"),
        (dump_style(GOOD[1:], painting="a", painting_sha256="b"), r"kernels float32 \(99864,\) .*not .*\(99863,\)"),
        (safetensors.numpy.save({"norms": NORMS}), r"not norms float32 \(2, 347\)"),
        (safetensors.numpy.save({"norms": NORMS, "kernels": KERNELS.astype(np.float16)}), "not kernels float16"),
        (safetensors.numpy.save({"norms": NORMS, "kernels": KERNELS, "more": NORMS}), "more float32"),
        (dump_style(GOOD + np.nan, painting="a", painting_sha256="b"), "no sensible numbers"),
        (dump_style(GOOD + 1e9, painting="a", painting_sha256="b"), "no sensible numbers"),
    ],
)
def test_a_tuned_style_that_is_none_is_refused_in_words(data, words):
    with pytest.raises(InputError, match=words):
        load_style(data, "a.safetensors")


def test_a_style_file_comes_back_as_it_went():
    style = np.random.default_rng(0).standard_normal(STYLE_NUMBERS).astype(np.float32)
    assert np.array_equal(load_style(dump_style(style, painting="a", painting_sha256="b"), "a"), style)


def test_what_was_prepared_for_another_run_is_refused(scorer):
    prepared = scorer.prepare(run_of())
    with pytest.raises(InternalError, match="does not fit"):
        scorer.open(two_paintings((0, (0.5, 0.5))), prepared)
    with pytest.raises(InternalError, match="does not fit"):
        scorer.open(run_of(), {"styles": prepared["styles"] * np.nan})


@pytest.mark.parametrize(
    "frames", [np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 3)), np.zeros((1, 3, 8, 8), np.uint8)]
)
def test_frames_of_another_kind_are_refused(score, frames):
    with pytest.raises(InternalError, match=r"uint8 \(B, H, W, 3\)"):
        score(frames, moments(1))


def test_a_picture_of_no_numbers_is_an_error_with_its_place(scorer, noise):
    run = run_of(statistics="frame")
    huge = np.where(np.arange(STYLE_NUMBERS) % 2, 3e38, -3e38).astype(np.float32)
    score = scorer.open(run, {"styles": huge[None]})
    with pytest.raises(NonFiniteOutputError, match="no numbers") as caught:
        score(noise(3, 16, 16, 3), moments(3))
    assert caught.value.position == 0


def test_the_check_of_half_precision_tells_good_from_bad(weights):
    transformer = weights_module.load_networks(weights, torch.device("cpu")).transformer
    style = transformer.style(torch.randn(100, generator=torch.Generator().manual_seed(1)))
    frame = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    with torch.inference_mode():
        for statistics in (None, transformer.measure(frame, style)):
            brush = StyleCondition(style, statistics)
            full = transformer(frame, StyleCondition(style, statistics))
            assert 0 < (CheckedHalfPrecision(transformer, span=1)(frame, brush) - full).abs().max() < 0.1
            assert torch.equal(transformer(frame, brush), full), "what half precision leaves behind is in full"
        transformer.contract.conv1.weight *= 1e5  # beyond what half precision can hold
        painted = CheckedHalfPrecision(transformer, span=1)(frame, StyleCondition(style))
        torch.testing.assert_close(painted, transformer(frame, StyleCondition(style)))


@pytest.mark.parametrize("case", CASES)
def test_a_scene_gives_its_golden_frame(scorer, case):
    golden = image_codec.decode((FOLDER / f"painter_{case}.png").read_bytes(), case)
    error = np.square(painted(scorer, case).astype(float) - golden).mean()
    assert error < 255**2 / 10**4.5, "below 45 dB: other weights, or another network"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_and_cpu_paint_alike(score, weights, noise):
    image_codec = noise(4, 64, 80, 3)
    on_cpu = opened(AnyPainting(weights_module.load_networks(weights, torch.device("cpu")), torch.device("cpu")))
    difference = score(image_codec, moments(4)).astype(float) - on_cpu(image_codec, moments(4))
    assert 10 * np.log10(255**2 / np.square(difference).mean()) >= 38
