"""Motion is found between frames, not across cuts, not where something was hidden, and alike on any thread."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.temporal.flow import MAX_FLOW_SIDE, FlowEstimator
from scoring.types import DecodedFrame, FramePosition
from tests.support.moving_scenes import grainy_sky, pan, passing, waving, wide_picture
from tests.support.temporal_smoothing import IMPLEMENTATIONS

both = pytest.mark.parametrize("estimate", [pytest.param(i.estimate_motion, id=i.name) for i in IMPLEMENTATIONS])


def decoded(picture, index=1):
    position = FramePosition(index, index / 25)
    return DecodedFrame(position=position, name="", picture=picture, alpha=None, working_picture=picture)


@both
@pytest.mark.parametrize("step", [(3, 1), (0, 0), (7, 2)])
def test_motion_is_found(estimate, step):
    before, frame = pan(2, size=(180, 240), step=step)
    motion = estimate(before, frame)
    inner = motion.full_resolution(180, 240)[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - step).max() < 0.2
    assert np.percentile(np.linalg.norm(inner - step, axis=2), 90) < 0.5
    assert motion.full_resolution_confidence(180, 240)[16:-16, 16:-16].mean() > 0.95


@both
def test_motion_of_a_faint_texture_is_found(estimate):
    """Networks paint such a texture and their strokes move with it, so it must not count as still."""
    faint = [(120 + (frame.astype(float) - 128) / 24).round().astype(np.uint8) for frame in pan(2, size=(180, 240))]
    assert np.abs(np.diff(np.asarray(faint, np.int16), axis=0)).mean() < 3
    inner = estimate(*faint).full_resolution(180, 240)[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - (3, 1)).max() < 0.2
    assert np.percentile(np.linalg.norm(inner - (3, 1), axis=2), 90) < 1


@both
def test_motion_of_waves_is_found(estimate):
    """Neighbors move in different directions; a search that ends at coarse patches averages them away."""
    frames, exact = waving()
    error = np.linalg.norm(estimate(*frames).full_resolution(180, 240) - exact, axis=2)[16:-16, 16:-16]
    assert error.mean() < 0.7 * np.linalg.norm(exact, axis=2).mean()


@both
def test_uncovered_pixels_are_not_reliable(estimate):
    frames, lefts = passing(3)
    confidence = estimate(frames[1], frames[2]).full_resolution_confidence(96, 240)
    assert confidence[28:68, lefts[1] + 3 : lefts[2] - 3].mean() < 0.5
    assert confidence[28:68, lefts[2] + 8 : lefts[2] + 40].mean() > 0.9  # the square itself
    assert confidence[:, 120:].mean() > 0.95  # the ground far from it


@both
def test_pixels_from_outside_the_frame_are_not_reliable(estimate):
    before, frame = pan(2, step=(10, 0))
    confidence = estimate(before, frame).full_resolution_confidence(96, 128)
    assert confidence[:, -4:].mean() < 0.3
    assert confidence[:, :100].mean() > 0.95


@both
def test_no_motion_across_a_scene_cut(estimate):
    assert estimate(wide_picture(96, 128, 1), wide_picture(96, 128, 2)) is None


def test_no_motion_at_a_listed_cut():
    before, frame = pan(2)
    assert FlowEstimator(cuts=(5, 9))(decoded(before, 4), decoded(frame, 5)) is None
    assert FlowEstimator(cuts=(5, 9))(decoded(before, 5), decoded(frame, 6)) is not None


@both
def test_changing_light_is_not_a_scene_cut(estimate):
    frame = wide_picture(96, 128)
    assert estimate(frame, (frame * 0.8).astype(np.uint8)) is not None


@both
@pytest.mark.parametrize("grain", [1, 2, 4])
def test_grain_of_a_plain_sky_is_not_a_scene_cut(estimate, grain):
    """Flow follows the grain, in other directions each way; all of the sky is reliable nevertheless."""
    for before, frame in pairwise(grainy_sky(4, grain)):
        assert estimate(before, frame).full_resolution_confidence(180, 320).mean() > 0.9


@both
@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_has_motion_or_none(estimate, height, width):
    picture = wide_picture(40, 40)[:height, :width]
    motion = estimate(picture, picture.copy())
    assert (motion is None) == (min(height, width) < 16)
    if motion is not None:
        assert motion.full_resolution(height, width).shape == (height, width, 2)
        assert motion.full_resolution_confidence(height, width).shape == (height, width)
        assert np.abs(motion.full_resolution(height, width)).max() < 1


@both
def test_large_frames_have_vectors_in_their_own_pixels(estimate):
    before, frame = pan(2, size=(200, 240), step=(4, 2))
    large = [cv2.resize(f, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(np.uint8) for f in (before, frame)]
    motion = estimate(*large)
    assert min(motion.backward.shape[:2]) in (MAX_FLOW_SIDE, MAX_FLOW_SIDE // 2)
    assert np.abs(np.median(motion.full_resolution(800, 960)[100:-100, 100:-100], axis=(0, 1)) - (16, 8)).max() < 0.3


@both
def test_motion_is_the_same_on_many_threads(estimate):
    pairs = list(pairwise(pan(8)))
    alone = [estimate(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: estimate(*pair), pairs * 3))
    for k, motion in enumerate(together):
        assert motion.backward.tobytes() == alone[k % len(pairs)].backward.tobytes()
        assert motion.confidence.tobytes() == alone[k % len(pairs)].confidence.tobytes()
