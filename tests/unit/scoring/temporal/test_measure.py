"""The flicker measures distinguish flicker, blur and frozen frames."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.temporal.measure import MEASURED_SIDE, measure, measure_pair, motion, warp_error
from scoring.types import DecodedFrame, DeliveredFrame, FramePosition
from tests.support.moving_scenes import flickering, pan, passing, wide_picture


def test_a_still_picture_has_no_flicker():
    frame = wide_picture(96, 128)
    sums = measure(frame, frame, 255 - frame, 255 - frame)
    assert (sums.pairs, sums.difference, sums.difference_input) == (1, 0, 0)
    assert sums.warp_error == pytest.approx(0, abs=0.5)
    assert sums.warp_error_input == pytest.approx(0, abs=0.5)
    assert sums.sharpness == pytest.approx(sums.sharpness_input, rel=0.01)


def test_motion_is_not_flicker():
    before, frame = pan(2)
    moved = measure(before, frame, 255 - before, 255 - frame)
    flickered = measure(before, frame, *flickering([before, frame]))
    assert moved.difference > 5
    assert moved.warp_error < 0.1 * moved.difference**2
    assert moved.warp_error == pytest.approx(moved.warp_error_input, rel=0.3)
    assert flickered.warp_error > 20 * moved.warp_error
    assert flickered.warp_error_input == moved.warp_error_input


def test_a_frozen_frame_has_a_high_warping_error():
    before, frame = pan(2)
    frozen = measure(before, frame, 255 - before, 255 - before)
    assert frozen.difference == 0
    assert frozen.warp_error > 20 * measure(before, frame, 255 - before, 255 - frame).warp_error


def test_uncovered_pixels_are_not_measured():
    before, frame = passing(2)[0]
    positions, visible = motion(before, frame)
    assert 0.02 < 1 - visible.mean() < 0.2
    everywhere = warp_error(before, frame, positions, np.ones_like(visible))
    assert measure(before, frame, before, frame).warp_error < 0.8 * everywhere


def test_blur_lowers_the_sharpness():
    before, frame = pan(2)
    soft = [cv2.blur(picture, (5, 5)).astype(np.uint8) for picture in (before, frame)]
    sums = measure(before, frame, *soft)
    assert sums.sharpness < 0.3 * sums.sharpness_input


def test_large_frames_are_scaled_down():
    before, frame = pan(2)
    large = [
        cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        for picture in (before, frame)
    ]
    height, width = MEASURED_SIDE, round(large[0].shape[1] * MEASURED_SIDE / large[0].shape[0])
    small = [cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8) for picture in large]
    assert measure(*large, *large) == measure(*small, *small)


@given(st.integers(1, 40), st.integers(1, 40))
def test_any_size_is_measured(height, width):
    picture = wide_picture(40, 40)[:height, :width]
    sums = measure(picture, picture, picture, 255 - picture)
    assert all(np.isfinite(value) and value >= 0 for value in sums.model_dump().values())


def test_pair_is_measured_at_the_size_of_the_video():
    frames = pan(2)
    shown = flickering(frames)
    pair = [
        DeliveredFrame(
            DecodedFrame(
                position=FramePosition(i, i / 25), name="", picture=frame, alpha=None, working_picture=frame[::2, ::2]
            ),
            painted,
        )
        for i, (frame, painted) in enumerate(zip(frames, shown, strict=True))
    ]
    assert measure_pair(*pair) == measure(*frames, *shown)


def test_larger_delivered_frames_are_reduced_to_the_size_of_the_video(noise):
    frames, shown = noise(2, 40, 60, 3), noise(2, 40, 60, 3, seed=1)
    large = [picture.repeat(3, 0).repeat(3, 1) for picture in shown]
    pairs = [
        [
            DeliveredFrame(
                DecodedFrame(
                    position=FramePosition(i, i / 25), name="", picture=frame, alpha=None, working_picture=frame
                ),
                picture,
            )
            for i, (frame, picture) in enumerate(zip(frames, delivered, strict=True))
        ]
        for delivered in (shown, large)
    ]
    assert measure_pair(*pairs[0]) == measure_pair(*pairs[1])
