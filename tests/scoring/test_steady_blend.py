"""Steadied frames follow the motion, keep their sharpness, and show neither cuts nor batch borders."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.plan import even_borders
from scoring.temporal import smooth
from scoring.temporal.flow import MotionField, grid, link
from scoring.temporal.measure import sharpness, warp_error
from scoring.temporal.smooth import TemporalSmoother, warm_up_frames, warm_up_start
from tests.support.moving_scenes import flickering, pan, passing, wide_picture


def links_of(frames):
    return [None, *(link(a, b) for a, b in pairwise(frames))]


def follow_all(scored, links, weight):
    steadier = TemporalSmoother(weight)
    return [steadier.follow(picture, way) for picture, way in zip(scored, links, strict=True)]


def steps(pictures, step):
    """The warping errors of a pan, with its exact motion; what is not in both frames is left out."""
    height, width = pictures[0].shape[:2]
    places = grid(range(height), width) + np.float32(step)
    inside = ((places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)).astype(np.uint8)
    return [warp_error(a, b, places, inside) for a, b in pairwise(pictures)]


@pytest.fixture(scope="module")
def scene():
    frames = pan(40)
    return frames, flickering(frames), links_of(frames)


@pytest.mark.parametrize(("weight", "at_most"), [(0.5, 0.45), (0.8, 0.2)])
def test_steadied_frames_flicker_less_and_stay_as_sharp(scene, weight, at_most):
    _, scored, links = scene
    out = follow_all(scored, links, weight)
    assert fmean(steps(out[12:], (3, 1))) <= at_most * fmean(steps(scored[12:], (3, 1)))
    assert fmean(map(sharpness, out[12:])) == pytest.approx(fmean(map(sharpness, scored[12:])), rel=0.12)


def test_moving_content_moves_on(scene):
    frames, scored, links = scene
    out = follow_all(scored, links, 0.8)
    clean = [255 - cv2.blur(frame, (3, 3)) for frame in frames]

    def error(shown, wanted):
        return float(np.abs(cv2.blur(shown, (5, 5)).astype(float) - cv2.blur(wanted, (5, 5))).mean())

    assert error(out[-1], clean[-1]) < 0.4 * error(out[-1], clean[-2])
    assert error(out[-1], clean[-1]) < 1.2 * error(scored[-1], clean[-1])


def test_what_is_uncovered_shows_no_ghost():
    frames, places = passing(8)
    out = follow_all(frames, links_of(frames), 0.8)
    behind = np.s_[28:68, places[-2] + 3 : places[-1] - 3]
    assert np.abs(out[-1][behind].astype(float) - frames[-1][behind]).mean() < 12
    assert np.abs(frames[-2][behind].astype(float) - frames[-1][behind]).mean() > 80


def test_a_cut_starts_anew(scene):
    _, scored, links = scene
    other = flickering(pan(6, seed=3), seed=8)
    other_links = links_of(pan(6, seed=3))
    through = follow_all([*scored[:9], *other], [*links[:9], *other_links], 0.8)
    assert through[9] is other[0]
    for got, wanted in zip(through[9:], follow_all(other, other_links, 0.8), strict=True):
        assert np.array_equal(got, wanted)


def test_without_weight_trust_or_link_frames_stay_as_they_are(scene):
    _, scored, links = scene
    assert all(a is b for a, b in zip(follow_all(scored[:4], links[:4], 0.0), scored, strict=False))
    blind = [None if way is None else replace(way, trust=np.zeros_like(way.trust)) for way in links[:4]]
    assert all(np.array_equal(a, b) for a, b in zip(follow_all(scored[:4], blind, 0.8), scored, strict=False))


def test_the_first_frames_of_a_scene_count_alike():
    still = wide_picture(96, 128)
    way = link(still, still)
    steadier = TemporalSmoother(0.9)
    steadier.follow(np.full_like(still, 90), None)
    for value, mean in ((120, 105), (150, 120), (80, 110)):
        assert np.abs(steadier.follow(np.full_like(still, value), way).astype(int) - mean).max() <= 1


def test_frames_of_another_size_start_anew(scene):
    _, scored, links = scene
    steadier = TemporalSmoother(0.8)
    steadier.follow(scored[0], None)
    small = np.ascontiguousarray(scored[1][::2, ::2])
    assert steadier.follow(small, links[1]) is small


def test_no_pattern_feeds_on_itself():
    random = np.random.default_rng(4)
    frames = [np.full((96, 128, 3), 120, np.uint8)] * 120
    scored = [np.clip(random.normal(120, 6, (96, 128, 3)), 0, 255).astype(np.uint8) for _ in frames]
    still = link(frames[0], frames[0])
    steadier = TemporalSmoother(0.9)
    out = [steadier.follow(picture, still if i else None) for i, picture in enumerate(scored)]
    # What stays of noise when it ends fades away; a pattern that fed on itself would stand.
    calm = np.full((96, 128, 3), 120, np.uint8)
    for _ in range(60):
        last = steadier.follow(calm, still)
    assert float(out[-1].std()) < 1.2 * float(scored[-1].std())
    assert np.abs(last.astype(int) - 120).mean() < 0.5


@pytest.mark.parametrize("weight", [0.5, 0.8])
def test_the_step_across_a_batch_border_is_no_larger_than_inside(scene, weight):
    _, scored, links = scene
    whole = follow_all(scored, links, weight)
    borders = even_borders(40, 20)

    def in_batches(warm_up):
        shown = []
        for start, end in pairwise(borders):
            first = max(0, start - warm_up)
            batch = follow_all(scored[first:end], [None, *links[first + 1 : end]], weight)
            shown += batch[start - first :]
        return shown

    def border_step(shown):
        taken = steps(shown, (3, 1))
        inside = [step for i, step in enumerate(taken[8:], 9) if i not in borders]
        return taken[borders[1] - 1] / fmean(inside)

    warm = in_batches(warm_up_frames(weight))
    assert border_step(warm) < 1.1
    assert border_step(in_batches(0)) > 1.3
    assert np.abs(warm[20].astype(int) - whole[20]).mean() < 1.6  # of noise with a deviation of 25


@given(st.integers(0, 500), st.floats(0, 0.9), st.sets(st.integers(-45, 20), max_size=8))
def test_warm_up_begins_neither_before_the_video_nor_before_a_cut(start, weight, away):
    cuts = sorted(start + distance for distance in away if start + distance > 0)
    first = warm_up_start(start, weight=weight, cuts=cuts)
    assert 0 <= first <= start
    assert start - first <= warm_up_frames(weight)
    assert not any(first < cut <= start for cut in cuts)
    assert first == max([0, start - warm_up_frames(weight), *(cut for cut in cuts if cut <= start)])


def test_more_weight_needs_a_longer_warm_up():
    assert [warm_up_frames(weight) for weight in (0.0, 0.5, 0.7, 0.8, 0.9)] == [0, 5, 10, 16, 33]


@given(st.integers(16, 75), st.integers(16, 75))
def test_any_size_is_followed(height, width):
    frames = [np.ascontiguousarray(frame[:height, :width]) for frame in pan(3, size=(75, 75))]
    out = follow_all(flickering(frames), links_of(frames), 0.6)
    assert all(p.shape == (height, width, 3) and p.dtype == np.uint8 for p in out)


def test_the_bytes_do_not_depend_on_threads(monkeypatch):
    frames = [cv2.resize(frame, (400, 300)) for frame in pan(4)]
    scored, links = flickering(frames), links_of(frames)
    alone = follow_all(scored, links, 0.7)
    monkeypatch.setattr(smooth, "THREADS_PIXELS", 0)
    together = follow_all(scored, links, 0.7)
    assert [p.tobytes() for p in together] == [p.tobytes() for p in alone]


def softened(scored):
    return cv2.GaussianBlur(scored, (0, 0), 0.5).astype(np.float32)


def test_sharpness_is_restored_to_the_energy_of_the_scored_frame():
    scored = wide_picture(128, 192)
    soft = softened(scored)
    wanted = smooth.strengthening(soft, scored)
    shown, kept = smooth.sharpened(soft, wanted, np.ones_like(wanted))
    assert sharpness(shown) == pytest.approx(sharpness(scored), rel=0.1)
    assert sharpness(soft.astype(np.uint8)) < 0.8 * sharpness(scored)
    assert np.array_equal(kept, soft)


def test_strokes_get_their_colour_back():
    scored = wide_picture(128, 192)
    soft = softened(scored)
    wanted = smooth.strengthening(soft, scored)
    shown, _ = smooth.sharpened(soft, wanted, np.ones_like(wanted))

    def colour(picture):
        chroma = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb)[..., 1:]
        return float((cv2.Laplacian(chroma, cv2.CV_32F) ** 2).mean())

    assert colour(soft) < 0.8 * colour(scored)
    assert colour(shown) == pytest.approx(colour(scored), rel=0.1)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_nothing_grows_that_is_fed_back(seed, most):
    random = np.random.default_rng(seed)
    share = random.uniform(0, most, (40, 50)).astype(np.float32)
    extremes = random.choice(np.float32([-100, 100]), (40, 50, 3))
    wanted = np.full_like(share, smooth.STRONGEST)
    _, kept = smooth.sharpened(extremes, wanted, share)
    assert np.abs(kept * share[..., None]).max() <= 100.01


@given(st.floats(0.01, 0.9), st.floats(0, 3), st.floats(0, 3), st.sampled_from([1, 2, 4]))
def test_what_moves_remembers_less(weight, one, other, times):
    scored = np.zeros((16 * times, 24 * times, 3), np.uint8)

    def share(length):
        back = np.full((16, 24, 2), (0.6 * length / times, 0.8 * length / times), np.float32)
        return smooth.remembered(MotionField(back, np.ones((8, 12), np.float32)), weight, scored)

    slow, fast = sorted((one, other))
    assert share(slow).shape == scored.shape[:2]
    assert (share(slow) >= share(fast) - 1e-6).all()
    assert share(0.0) == pytest.approx(weight**smooth.STILL_POWER, rel=1e-4)
    assert share(smooth.MOVING) == pytest.approx(weight**smooth.MOVING_POWER, rel=1e-4)


def test_what_is_not_trusted_is_not_remembered():
    trust = np.ones((8, 12), np.float32)
    trust[:, 6:] = 0
    share = smooth.remembered(
        MotionField(np.zeros((16, 24, 2), np.float32), trust), 0.7, np.zeros((32, 48, 3), np.uint8)
    )
    assert not share[:, 28:].any()
    assert share[:, :20] == pytest.approx(0.7**smooth.STILL_POWER, rel=1e-4)
