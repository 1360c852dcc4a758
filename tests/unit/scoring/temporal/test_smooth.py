"""Temporal smoothing follows the motion, keeps sharpness, and shows neither ghosts nor batch borders."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.batch_borders import even_borders
from frame_tools.contracts.warm_up import warm_up_frames
from scoring.temporal import bands, smooth
from scoring.temporal.flow import MotionField, pixel_grid
from scoring.temporal.measure import sharpness, warp_error
from scoring.temporal.smooth import warm_up_start
from tests.support.moving_scenes import drifting, flickering, flying, pan, passing, wide_picture
from tests.support.temporal_smoothing import IMPLEMENTATIONS, OPENCV


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, ids=lambda implementation: implementation.name)
def temporal(request):
    return request.param


def field_of(backward, confidence):
    black = np.zeros(confidence.shape, np.uint8)
    return MotionField(backward, confidence, black, black)


def motions_of(temporal, frames):
    return [None, *(temporal.estimate_motion(a, b) for a, b in pairwise(frames))]


def smooth_all(temporal, scored, motions, weight, start=0):
    smoother = temporal.smoother(weight)
    frames = zip(scored, motions, strict=True)
    return [smoother.smooth(picture, motion, start + place) for place, (picture, motion) in enumerate(frames)]


def warp_errors(pictures, step):
    """Return the warping errors of a pan by its exact motion; pixels that are not in both frames are left out."""
    height, width = pictures[0].shape[:2]
    positions = pixel_grid(range(height), width) + np.float32(step)
    inside = ((positions[..., 0] <= width - 1) & (positions[..., 1] <= height - 1)).astype(np.uint8)
    return [warp_error(a, b, positions, inside) for a, b in pairwise(pictures)]


@pytest.fixture(scope="module")
def scene(temporal):
    frames = pan(40)
    return frames, flickering(frames), motions_of(temporal, frames)


# Grain of one pixel averages over fewer frames than strokes do, because its edges would be lost.
@pytest.mark.parametrize(
    ("grain", "weight", "max_ratio"), [(4, 0.5, 0.35), (4, 0.8, 0.15), (1, 0.5, 0.65), (1, 0.8, 0.45)]
)
def test_smoothing_reduces_flicker_and_keeps_sharpness(temporal, scene, grain, weight, max_ratio):
    frames, _, motions = scene
    scored = flickering(frames, grain=grain)
    out = smooth_all(temporal, scored, motions, weight)
    assert fmean(warp_errors(out[12:], (3, 1))) <= max_ratio * fmean(warp_errors(scored[12:], (3, 1)))
    assert fmean(map(sharpness, out[12:])) == pytest.approx(fmean(map(sharpness, scored[12:])), rel=0.12)


def test_smoothing_follows_moving_content(temporal, scene):
    frames, scored, motions = scene
    out = smooth_all(temporal, scored, motions, 0.7)
    clean = [255 - cv2.blur(frame, (3, 3)) for frame in frames]

    def error(picture, expected):
        return float(np.abs(cv2.blur(picture, (5, 5)).astype(float) - cv2.blur(expected, (5, 5))).mean())

    # What is left is the noise of an anchor frame, which is not averaged.
    assert error(out[-1], clean[-1]) < 0.5 * error(out[-1], clean[-2])
    assert error(out[-1], clean[-1]) < 1.2 * error(scored[-1], clean[-1])


def test_smoothing_leaves_no_ghost_where_ground_is_uncovered(temporal):
    frames, lefts = passing(8)
    out = smooth_all(temporal, frames, motions_of(temporal, frames), 0.8)
    behind = np.s_[28:68, lefts[-2] + 3 : lefts[-1] - 3]
    assert np.abs(out[-1][behind].astype(float) - frames[-1][behind]).mean() < 12
    assert np.abs(frames[-2][behind].astype(float) - frames[-1][behind]).mean() > 80


@pytest.mark.parametrize("step", [4, 9, 16])
def test_thin_dark_birds_stay_dark(temporal, step):
    frames, wings = flying(12, step=step)
    scored = flickering([255 - frame for frame in frames], spread=4, grain=4)
    out = smooth_all(temporal, scored, motions_of(temporal, frames), 0.7)

    def darkness(picture, mask):
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)
        around = cv2.dilate(mask, np.ones((9, 9), np.uint8)) - cv2.dilate(mask, np.ones((5, 5), np.uint8))
        return luma[around > 0].mean() - luma[mask > 0].mean()

    kept = [
        darkness(shown, mask) / darkness(picture, mask)
        for shown, picture, mask in zip(out[4:], scored[4:], wings[4:], strict=True)
    ]
    assert fmean(kept) >= 0.95
    for shown, picture, before, now in zip(out[5:], scored[5:], wings[4:], wings[5:], strict=False):
        left = (before > 0) & (cv2.dilate(now, np.ones((7, 7), np.uint8)) == 0)
        assert not left.any() or abs(float(shown[left].mean()) - float(picture[left].mean())) < 6


@pytest.mark.parametrize("carried_grain", [True, False])
@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_plain_moving_sky_does_not_smear(temporal, step, carried_grain):
    frames, clouds = drifting(16, step, carried_grain=carried_grain)
    scored = flickering([255 - frame for frame in frames], spread=8, grain=2)
    out = smooth_all(temporal, scored, motions_of(temporal, frames), 0.7)

    def tone(picture):
        return cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 3)

    trails = []
    for shown, frame, before, now in zip(out[8:], frames[8:], clouds[7:], clouds[8:], strict=False):
        # The share of the last step by which the clouds lag: 0.9 to 2.4 without compensation of their motion.
        trails.append(((tone(shown) - tone(frame)) * (before - now)).sum() / (30 * np.square(before - now).sum()))
    assert fmean(trails) < 0.4
    assert fmean(map(sharpness, out[8:])) == pytest.approx(fmean(map(sharpness, scored[8:])), rel=0.06)


def test_frames_after_a_cut_are_not_paler(temporal):
    frames = [*pan(8, seed=3), *pan(20)]
    scored = flickering(frames, grain=4)
    out = smooth_all(temporal, scored, motions_of(temporal, frames), 0.7)
    later = fmean(float(picture.std()) for picture in out[18:])
    for picture, painted in zip(out[8:14], scored[8:14], strict=True):
        assert abs(float(picture.mean()) - float(painted.mean())) < 1
        assert float(picture.std()) >= 0.97 * later


def test_smoothing_restarts_at_a_scene_cut(temporal, scene):
    _, scored, motions = scene
    other = flickering(pan(6, seed=3), seed=8)
    other_motions = motions_of(temporal, pan(6, seed=3))
    through = smooth_all(temporal, [*scored[:9], *other], [*motions[:9], *other_motions], 0.8)
    assert through[9] is other[0]
    for smoothed, expected in zip(through[9:], smooth_all(temporal, other, other_motions, 0.8, 9), strict=True):
        assert np.array_equal(smoothed, expected)


def test_frames_stay_unchanged_without_weight_or_confidence(temporal, scene):
    _, scored, motions = scene
    assert all(a is b for a, b in zip(smooth_all(temporal, scored[:4], motions[:4], 0.0), scored, strict=False))
    unreliable = [
        None if motion is None else replace(motion, confidence=np.zeros_like(motion.confidence))
        for motion in motions[:4]
    ]
    assert all(
        np.array_equal(a, b) for a, b in zip(smooth_all(temporal, scored[:4], unreliable, 0.8), scored, strict=False)
    )


def test_first_frames_of_a_scene_have_equal_weights(temporal):
    still = wide_picture(96, 128)
    motion = temporal.estimate_motion(still, still)
    smoother = temporal.smoother(0.9)
    smoother.smooth(np.full_like(still, 90), None, 0)
    for index, (value, mean) in enumerate(((120, 105), (150, 120), (80, 110)), 1):
        assert np.abs(smoother.smooth(np.full_like(still, value), motion, index).astype(int) - mean).max() <= 1


def test_smoothing_restarts_at_another_frame_size(temporal, scene):
    _, scored, motions = scene
    smoother = temporal.smoother(0.8)
    smoother.smooth(scored[0], None, 0)
    small = np.ascontiguousarray(scored[1][::2, ::2])
    assert smoother.smooth(small, motions[1], 1) is small


def test_no_pattern_amplifies_itself(temporal):
    random = np.random.default_rng(4)
    frames = [np.full((96, 128, 3), 120, np.uint8)] * 120
    scored = [np.clip(random.normal(120, 6, (96, 128, 3)), 0, 255).astype(np.uint8) for _ in frames]
    still = temporal.estimate_motion(frames[0], frames[0])
    smoother = temporal.smoother(0.9)
    out = [smoother.smooth(picture, still if i else None, i) for i, picture in enumerate(scored)]
    # The rest of the noise fades away once it ends; a pattern that amplifies itself would stay.
    calm = np.full((96, 128, 3), 120, np.uint8)
    for i in range(120, 180):
        last = smoother.smooth(calm, still, i)
    assert float(out[-1].std()) < 1.2 * float(scored[-1].std())
    assert np.abs(last.astype(int) - 120).mean() < 0.5


@pytest.mark.parametrize("weight", [0.5, 0.8])
def test_batch_border_is_as_smooth_as_the_frames_inside(temporal, scene, weight):
    _, scored, motions = scene
    whole = smooth_all(temporal, scored, motions, weight)
    borders = even_borders(40, 20)

    def in_batches(warm_up):
        smoothed = []
        for start, end in pairwise(borders):
            first = max(0, start - warm_up)
            batch = smooth_all(temporal, scored[first:end], [None, *motions[first + 1 : end]], weight, first)
            smoothed += batch[start - first :]
        return smoothed

    def border_ratio(pictures):
        return warp_errors(pictures, (3, 1))[borders[1] - 1] / warp_errors(whole, (3, 1))[borders[1] - 1]

    warm = in_batches(warm_up_frames(weight))
    assert border_ratio(warm) < 1.1
    assert border_ratio(in_batches(0)) > 1.3
    assert np.abs(warm[20].astype(int) - whole[20]).mean() < 1  # of noise with a deviation of 25


@given(st.integers(0, 500), st.floats(0, 0.9), st.sets(st.integers(-45, 20), max_size=8))
def test_warm_up_stays_within_video_and_scene(start, weight, distances):
    cuts = sorted(start + distance for distance in distances if start + distance > 0)
    first = warm_up_start(start, weight=weight, cuts=cuts)
    assert 0 <= first <= start
    assert start - first <= warm_up_frames(weight)
    assert not any(first < cut <= start for cut in cuts)
    assert first == max([0, start - warm_up_frames(weight), *(cut for cut in cuts if cut <= start)])


def test_higher_weight_needs_a_longer_warm_up():
    assert [warm_up_frames(weight) for weight in (0.0, 0.2, 0.5, 0.7, 0.8, 0.9)] == [0, 4, 6, 10, 16, 33]


@given(st.integers(16, 75), st.integers(16, 75))
def test_smoothing_accepts_any_size(temporal, height, width):
    frames = [np.ascontiguousarray(frame[:height, :width]) for frame in pan(3, size=(75, 75))]
    out = smooth_all(temporal, flickering(frames), motions_of(temporal, frames), 0.6)
    assert all(p.shape == (height, width, 3) and p.dtype == np.uint8 for p in out)


def test_result_does_not_depend_on_threads(monkeypatch):
    frames = [cv2.resize(frame, (400, 300)).astype(np.uint8) for frame in pan(4)]
    scored, motions = flickering(frames), motions_of(OPENCV, frames)
    alone = smooth_all(OPENCV, scored, motions, 0.7)
    monkeypatch.setattr(bands, "THREADS_MIN_PIXELS", 0)
    together = smooth_all(OPENCV, scored, motions, 0.7)
    assert [p.tobytes() for p in together] == [p.tobytes() for p in alone]


def softened(scored):
    return cv2.GaussianBlur(scored, (0, 0), 0.5).astype(np.float32)


def test_sharpening_restores_the_energy_of_the_scored_frame():
    scored = wide_picture(128, 192)
    soft = softened(scored)
    amount = smooth.sharpening_amount(soft, scored)
    shown = smooth.sharpen(soft, amount)
    assert sharpness(shown) == pytest.approx(sharpness(scored), rel=0.1)
    assert sharpness(soft.astype(np.uint8)) < 0.8 * sharpness(scored)


def test_sharpening_restores_color():
    scored = wide_picture(128, 192)
    soft = softened(scored)
    amount = smooth.sharpening_amount(soft, scored)
    shown = smooth.sharpen(soft, amount)

    def color_energy(picture):
        chroma = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb)[..., 1:]
        return float((cv2.Laplacian(chroma, cv2.CV_32F) ** 2).mean())

    assert color_energy(soft) < 0.8 * color_energy(scored)
    assert color_energy(shown) == pytest.approx(color_energy(scored), rel=0.1)


@given(st.integers(0, 2**32 - 1))
def test_what_is_kept_is_never_amplified(seed):
    random = np.random.default_rng(seed)
    extremes = random.choice(np.array([-100, 100], np.float32), (40, 50, 3))
    motion = field_of(np.zeros((20, 25, 2), np.float32), np.ones((20, 25), np.float32))
    feedback = np.full((20, 25), random.uniform(0, 1), np.float32)
    averaged = smooth.average(np.zeros((40, 50, 3), np.uint8), extremes, motion, feedback)
    assert np.abs(averaged).max() <= 100 * feedback.max() + 0.01


@given(st.floats(0.01, 0.9), st.floats(0, 3), st.floats(0, 3), st.sampled_from([1, 2, 4]))
def test_moving_pixels_have_less_feedback(weight, length, other_length, times):
    scored = np.zeros((16 * times, 24 * times, 3), np.uint8)

    def feedback(length):
        backward = np.full((16, 24, 2), (0.6 * length / times, 0.8 * length / times), np.float32)
        motion = field_of(backward, np.ones((8, 12), np.float32))
        return smooth.feedback_weights(smooth.moving_share(motion, scored), motion, weight)

    slow, fast = sorted((length, other_length))
    assert (feedback(slow) >= feedback(fast) - 1e-6).all()
    assert feedback(0.0) == pytest.approx(weight**smooth.STILL_EXPONENT, rel=1e-4)
    assert feedback(1.01 * smooth.MOVING_THRESHOLD) == pytest.approx(weight**smooth.MOVING_EXPONENT, rel=1e-4)


def test_unreliable_pixels_have_no_feedback():
    confidence = np.ones((8, 12), np.float32)
    confidence[:, 6:] = 0
    motion = field_of(np.zeros((16, 24, 2), np.float32), confidence)
    moving = smooth.moving_share(motion, np.zeros((32, 48, 3), np.uint8))
    feedback = smooth.feedback_weights(moving, motion, 0.7)
    assert not feedback[:, 6:].any()
    assert feedback[:, :6] == pytest.approx(0.7**smooth.STILL_EXPONENT, rel=1e-4)
