"""The figures of steadiness tell flicker, blur and frozen frames apart."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.pipeline.pipeline import DecodedFrame
from scoring.pipeline.types import DeliveredFrame
from scoring.temporal.measure import SIDE, measure, measure_pair, motion, warp_error
from scoring.types import FramePosition
from tests.support.moving_scenes import flickering, pan, passing, wide_picture


def test_a_still_picture_is_steady():
    frame = wide_picture(96, 128)
    found = measure(frame, frame, 255 - frame, 255 - frame)
    assert (found.pairs, found.difference, found.difference_input) == (1, 0, 0)
    assert found.warp_error == pytest.approx(0, abs=0.5)
    assert found.warp_error_input == pytest.approx(0, abs=0.5)
    assert found.sharpness == pytest.approx(found.sharpness_input, rel=0.01)


def test_motion_is_no_flicker_and_flicker_is():
    before, frame = pan(2)
    moved = measure(before, frame, 255 - before, 255 - frame)
    flickered = measure(before, frame, *flickering([before, frame]))
    assert moved.difference > 5
    assert moved.warp_error < 0.1 * moved.difference**2
    assert moved.warp_error == pytest.approx(moved.warp_error_input, rel=0.3)
    assert flickered.warp_error > 20 * moved.warp_error
    assert flickered.warp_error_input == moved.warp_error_input


def test_a_frozen_frame_is_not_steady():
    before, frame = pan(2)
    frozen = measure(before, frame, 255 - before, 255 - before)
    assert frozen.difference == 0
    assert frozen.warp_error > 20 * measure(before, frame, 255 - before, 255 - frame).warp_error


def test_what_was_hidden_does_not_count():
    before, frame = passing(2)[0]
    places, seen = motion(before, frame)
    assert 0.02 < 1 - seen.mean() < 0.2
    everywhere = warp_error(before, frame, places, np.ones_like(seen))
    assert measure(before, frame, before, frame).warp_error < 0.8 * everywhere


def test_blur_is_seen_in_the_sharpness():
    before, frame = pan(2)
    soft = [cv2.blur(picture, (5, 5)) for picture in (before, frame)]
    found = measure(before, frame, *soft)
    assert found.sharpness < 0.3 * found.sharpness_input


def test_large_frames_are_measured_small():
    before, frame = pan(2)
    large = [cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC) for picture in (before, frame)]
    height, width = SIDE, round(large[0].shape[1] * SIDE / large[0].shape[0])
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in large]
    assert measure(*large, *large) == measure(*small, *small)


@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_is_measured(height, width):
    picture = wide_picture(40, 40)[:height, :width]
    found = measure(picture, picture, picture, 255 - picture)
    assert all(np.isfinite(value) and value >= 0 for value in found.model_dump().values())


def test_a_pair_is_measured_at_the_videos_size():
    frames = pan(2)
    shown = flickering(frames)
    pair = [
        DeliveredFrame(
            DecodedFrame(moment=FramePosition(i, i / 25), name="", picture=frame, alpha=None, small=frame[::2, ::2]),
            painted,
        )
        for i, (frame, painted) in enumerate(zip(frames, shown, strict=True))
    ]
    assert measure_pair(*pair) == measure(*frames, *shown)
