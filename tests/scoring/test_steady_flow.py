"""Frames are linked along their motion, not over cuts, not where something was hidden, and alike on any thread."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.pipeline.pipeline import DecodedFrame
from scoring.temporal.flow import FLOW_SIDE, FlowEstimator, link
from scoring.types import FramePosition
from tests.support.moving_scenes import pan, passing, wide_picture


def seen(picture, index=1):
    return DecodedFrame(moment=FramePosition(index, index / 25), name="", picture=picture, alpha=None, small=picture)


@pytest.mark.parametrize("step", [(3, 1), (0, 0), (7, 2)])
def test_the_motion_is_found(step):
    before, frame = pan(2, size=(180, 240), step=step)
    found = link(before, frame)
    inner = found.ways(180, 240)[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - step).max() < 0.2
    assert np.percentile(np.linalg.norm(inner - step, axis=2), 90) < 0.5
    assert found.weights(180, 240)[16:-16, 16:-16].mean() > 0.95


def test_a_texture_of_few_grey_levels_is_followed():
    """Painters paint it, and their strokes move along with it: such a place must not count as standing still."""
    faint = [(120 + (frame.astype(float) - 128) / 24).round().astype(np.uint8) for frame in pan(2, size=(180, 240))]
    assert np.abs(np.diff(np.int16(faint), axis=0)).mean() < 3
    inner = link(*faint).ways(180, 240)[16:-16, 16:-16]
    assert np.abs(np.median(inner, axis=(0, 1)) - (3, 1)).max() < 0.2
    assert np.percentile(np.linalg.norm(inner - (3, 1), axis=2), 90) < 1


def test_what_was_hidden_is_not_trusted():
    frames, places = passing(3)
    trust = link(frames[1], frames[2]).weights(96, 240)
    assert trust[28:68, places[1] + 3 : places[2] - 3].mean() < 0.5
    assert trust[28:68, places[2] + 8 : places[2] + 40].mean() > 0.9  # the thing itself
    assert trust[:, 120:].mean() > 0.95  # the ground far from it


def test_what_came_in_from_outside_is_not_trusted():
    before, frame = pan(2, step=(10, 0))
    trust = link(before, frame).weights(96, 128)
    assert trust[:, -4:].mean() < 0.3
    assert trust[:, :100].mean() > 0.95


def test_a_cut_is_no_motion():
    assert link(wide_picture(96, 128, 1), wide_picture(96, 128, 2)) is None
    before, frame = pan(2)
    assert FlowEstimator(cuts=(5, 9))(seen(before, 4), seen(frame, 5)) is None
    assert FlowEstimator(cuts=(5, 9))(seen(before, 5), seen(frame, 6)) is not None


def test_light_that_changes_is_no_cut():
    frame = wide_picture(96, 128)
    assert link(frame, (frame * 0.8).astype(np.uint8)) is not None


@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_is_linked_or_left_alone(height, width):
    picture = wide_picture(40, 40)[:height, :width]
    found = link(picture, picture.copy())
    assert (found is None) == (min(height, width) < 16)
    if found is not None:
        assert found.ways(height, width).shape == (height, width, 2)
        assert found.weights(height, width).shape == (height, width)
        assert np.abs(found.ways(height, width)).max() < 1


def test_large_frames_are_linked_on_a_smaller_grid_with_vectors_in_their_own_pixels():
    before, frame = pan(2, size=(200, 240), step=(4, 2))
    before, frame = (cv2.resize(f, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) for f in (before, frame))
    found = link(before, frame)
    assert min(found.back.shape[:2]) == FLOW_SIDE
    assert np.abs(np.median(found.ways(800, 960)[100:-100, 100:-100], axis=(0, 1)) - (16, 8)).max() < 0.3


def test_links_are_the_same_on_many_threads():
    pairs = list(pairwise(pan(8)))
    alone = [link(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: link(*pair), pairs * 3))
    for k, found in enumerate(together):
        assert found.back.tobytes() == alone[k % len(pairs)].back.tobytes()
        assert found.trust.tobytes() == alone[k % len(pairs)].trust.tobytes()
