"""Anchor frames follow the motion, keep the shape of strokes, and show only where the input still looks the same."""

from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.warm_up import anchor_interval, warm_up_frames
from scoring.opencv import to_gray
from scoring.temporal import anchor_frames, smooth
from scoring.temporal.flow import MotionField, pixel_grid
from scoring.temporal.gpu import anchor_frames as in_torch
from scoring.temporal.smooth import TemporalSmoother
from tests.support.moving_scenes import flickering, pan, wide_picture
from tests.support.temporal_smoothing import IMPLEMENTATIONS, OPENCV, to_motions, to_picture, to_tensor
from tests.unit.scoring.temporal.test_smooth import motions_of, smooth_all, warp_errors


@pytest.fixture(scope="module", params=IMPLEMENTATIONS, ids=lambda implementation: implementation.name)
def temporal(request):
    return request.param


def strokes(count, size, seed=7):
    """Return pictures of independent black and white strokes of four pixels."""
    random = np.random.default_rng(seed)
    height, width = size
    small = random.integers(0, 2, (count, -(-height // 4), -(-width // 4)), np.uint8) * 255
    large = small.repeat(4, 1).repeat(4, 2)[:, :height, :width]
    return [np.ascontiguousarray(np.repeat(each[..., None], 3, axis=2)) for each in large]


def test_strokes_keep_their_shape_where_things_move(temporal):
    frames = pan(24)
    scored, motions = strokes(24, frames[0].shape[:2]), motions_of(temporal, frames)
    moving = smooth_all(temporal, scored, motions, 0.7)
    still = smooth_all(temporal, scored, [None, *[temporal.estimate_motion(frames[0], frames[0])] * 23], 0.7)

    def extremes(pictures):
        """Return the share of pixels that are nearly black or white, as all of a painted frame are."""
        inside = [picture[12:-12, 12:-12, 1] for picture in pictures[10:20]]
        return fmean(float(((each < 48) | (each > 207)).mean()) for each in inside)

    assert extremes(moving) > 1.6 * extremes(still)  # where nothing moves, they are averaged


def test_still_scenes_show_the_average(temporal):
    picture = wide_picture(96, 128)
    motion = temporal.estimate_motion(picture, picture)
    smoother = temporal.smoother(0.7)
    values = np.random.default_rng(2).integers(80, 170, 60)
    shown = [smoother.smooth(np.full_like(picture, v), motion if i else None, i) for i, v in enumerate(values)]
    weight = 0.7**smooth.STILL_EXPONENT
    average = float(values[0])
    for count, (value, each) in enumerate(zip(values[1:], shown[1:], strict=True), 1):
        average += (value - average) * (1 - min(weight, count / (count + 1)))
        assert np.abs(each.astype(float) - average).max() <= 1.5


@pytest.mark.parametrize("weight", [0.5, 0.7, 0.8])
def test_frames_change_evenly(temporal, weight):
    """Were all strokes repainted at once, the change of one frame would be several times the mean."""
    frames = pan(40)
    shown = smooth_all(temporal, flickering(frames), motions_of(temporal, frames), weight)
    errors = warp_errors(shown[12:], (3, 1))
    assert max(errors) < 1.6 * fmean(errors)


@pytest.mark.parametrize("start", range(16, 23))
def test_tasks_continue_the_anchor_frames_wherever_they_begin(temporal, start):
    frames = pan(30)
    scored, motions = strokes(30, frames[0].shape[:2]), motions_of(temporal, frames)
    first = start - warm_up_frames(0.7)
    whole = smooth_all(temporal, scored, motions, 0.7)
    task = smooth_all(temporal, scored[first:], [None, *motions[first + 1 :]], 0.7, first)
    for a, b in zip(whole[start:], task[start - first :], strict=True):
        assert np.abs(a.astype(int) - b).mean() < 6  # of strokes of 255; without a warm-up it is 25 and more


@pytest.mark.parametrize("bad", [0, 10, 12])
def test_replacement_of_a_bad_frame_fades_away(temporal, bad):
    """It is averaged as any other frame, but no strokes of it are carried along."""
    frames = pan(24)
    scored, motions = flickering(frames, spread=8), motions_of(temporal, frames)
    expected = smooth_all(temporal, scored, motions, 0.7)
    scored[bad] = np.full_like(scored[bad], 255)
    smoother = temporal.smoother(0.7)
    shown = [
        smoother.smooth(picture, motion, index, is_good=index != bad)
        for index, (picture, motion) in enumerate(zip(scored, motions, strict=True))
    ]
    errors = [np.abs(a.astype(float) - b).mean() for a, b in zip(shown, expected, strict=True)][bad:]
    assert all(after < 1.02 * before for before, after in pairwise(errors))
    assert errors[9] < 0.2 * errors[0]


def test_longest_frames_are_smoothed():
    """OpenCV samples no image with more than 32,766 pixels on a side."""
    random = np.random.default_rng(8)
    input_luma = np.full((6, 2048), 90, np.uint8)
    motion = MotionField(
        np.full((12, 4096, 2), 1, np.float32), np.ones((6, 2048), np.float32), input_luma, input_luma + 9
    )
    smoother = TemporalSmoother(0.7)
    for index in range(4, 7):
        picture = random.integers(0, 256, (16, 16384, 3), np.uint8)
        shown = smoother.smooth(picture, motion if index > 4 else None, index)
        assert shown.shape == picture.shape
    state = smoother.end_batch()
    assert state is not None
    assert len(state.anchors) == 2


def field_of(step, input_luma, size=(24, 36), confidence=1.0):
    backward = np.empty((*size, 2), np.float32)
    backward[:] = step
    return MotionField(backward, np.full(size, confidence, np.float32), input_luma, input_luma)


def anchor_of(size=(24, 36), share=1.0, input_luma=None):
    random = np.random.default_rng(1)
    luma = random.integers(0, 256, (2 * size[0], 2 * size[1]), np.uint8)
    input_luma = np.full(size, 90, np.uint8) if input_luma is None else input_luma
    return anchor_frames.new_anchor(luma, input_luma, np.full(size, share, np.float32))


def places_of(anchor):
    return anchor.displacement + pixel_grid(range(24), 36)


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.integers(1, 12))
def test_motion_adds_up(x, y, count):
    anchor, motion = anchor_of(), field_of((x, y), np.full((24, 36), 90, np.uint8))
    for _ in range(count):
        anchor = anchor_frames.moved(anchor, motion)
    assert np.abs(anchor.displacement - np.array((count * x, count * y), np.float32)).max() < 1e-3
    # What has entered the picture since is not in the anchor frame, whose edge would be repeated there.
    outside = np.maximum(-places_of(anchor), places_of(anchor) - np.array((35, 23))).max(2)
    assert not anchor.share[outside > 0.5].any()
    assert (anchor.share[outside < -1 - count] == 1).all()  # sampling spreads by a pixel a step


def test_anchor_frame_ends_where_motion_was_unreliable_once():
    input_luma = np.full((24, 36), 90, np.uint8)
    confidence = np.ones((24, 36), np.float32)
    confidence[:, 20:] = 0
    anchor = anchor_frames.moved(anchor_of(), replace(field_of((0, 0), input_luma), confidence=confidence))
    for _ in range(3):
        anchor = anchor_frames.moved(anchor, field_of((0, 0), input_luma))
    assert not anchor.share[:, 20:].any()
    assert anchor.share[:, :20].min() == 1


def test_anchor_frame_ends_where_the_input_looks_different():
    input_luma, later = np.full((24, 36), 90, np.uint8), np.full((24, 36), 90, np.uint8)
    later[:, 18:] = 130  # a lamp is switched on
    anchor = anchor_frames.moved(anchor_of(), field_of((0, 0), later))
    assert not anchor.share[:, 22:].any()
    assert anchor.share[:, :14].min() == 1
    grain = np.clip(input_luma + np.random.default_rng(3).normal(0, 4, input_luma.shape), 0, 255).astype(np.uint8)
    assert anchor_frames.moved(anchor_of(), field_of((0, 0), grain)).share.min() > 0.95


def test_half_a_pixel_of_displacement_in_fine_texture_is_no_difference():
    texture = cv2.GaussianBlur(np.random.default_rng(5).integers(0, 256, (24, 37), np.uint8), (0, 0), 1)
    before, now = texture[:, :-1], cv2.addWeighted(texture[:, :-1], 0.5, texture[:, 1:], 0.5, 0)
    other = np.random.default_rng(6).permutation(texture[:, :-1])
    anchor = anchor_of(input_luma=np.ascontiguousarray(before))
    assert anchor_frames.moved(anchor, field_of((0, 0), now)).share.mean() > 0.6
    assert anchor_frames.moved(anchor, field_of((0, 0), other)).share.mean() < 0.2


@given(st.floats(0.01, 0.9), st.integers(0, 10_000))
def test_newer_anchor_frame_fades_in_by_equal_steps(weight, index):
    interval = anchor_interval(weight)
    weights = dict(anchor_frames.shown_anchors(("older", "newer"), index, weight))
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["newer"] == pytest.approx((index % interval + 1) / interval)
    assert ("older" in weights) == ((index + 1) % interval != 0)
    assert anchor_frames.shown_anchors(("only",), index, weight)[0][0] == "only"


def share_where_changed(change, weight):
    """Return the share of a new anchor frame where flow says that all moves, and the input changes in its place."""
    before = np.full((24, 36), 90, np.uint8)
    motion = MotionField(np.full((24, 36, 2), 2, np.float32), np.ones((24, 36), np.float32), before, before + change)
    return float(anchor_frames.new_share(np.ones((24, 36), np.float32), motion, weight).mean())


def test_what_does_not_change_in_its_place_stays_an_average_whatever_the_flow_says():
    assert [share_where_changed(np.uint8(change), 0.7) for change in (0, 1)] == [0, 1]


@given(st.floats(0.0, 0.9), st.floats(0.0, 0.9))
def test_warm_up_has_room_for_two_anchor_frames(weight, other):
    assert warm_up_frames(weight) >= (2 * anchor_interval(weight) if weight else 0)
    low, high = sorted((weight, other))
    assert 2 <= anchor_interval(low) <= anchor_interval(high) <= 15
    shares = [share_where_changed(np.uint8(90), each) for each in (low, high)]
    assert shares == sorted(shares)
    assert shares[1] <= 1


def test_anchor_frames_without_share_cost_nothing():
    blended = np.zeros((48, 72, 3), np.float32)
    assert anchor_frames.show(blended, [(anchor_of(share=0), 1.0)]) is blended


def test_an_anchor_frame_that_has_not_moved_is_shown_as_painted():
    anchor = anchor_of()
    blended = np.random.default_rng(4).uniform(0, 255, (48, 72, 3)).astype(np.float32)
    shown = anchor_frames.show(blended, [(anchor, 1.0)])
    luma = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
    # Lanczos between pixels, and bilinear sampling half-way between two of twice the size.
    assert np.corrcoef(luma[4:-4, 4:-4].ravel(), anchor.luma[4:-4, 4:-4].ravel())[0, 1] > 0.97
    color = shown - luma[..., None]
    assert np.abs(color - (blended - cv2.cvtColor(blended, cv2.COLOR_RGB2GRAY)[..., None])).max() < 0.01


@given(st.integers(16, 60), st.integers(16, 60), st.integers(0, 99))
def test_steps_are_equal_in_torch(height, width, seed):
    random = np.random.default_rng(seed)
    size = -(-height // 2), -(-width // 2)
    picture = random.integers(0, 256, (height, width, 3), np.uint8)
    input_luma = np.asarray(cv2.GaussianBlur(random.integers(0, 256, size, np.uint8), (0, 0), 2), np.uint8)
    share = random.uniform(0, 1, size).astype(np.float32)
    first = anchor_frames.new_anchor(to_gray(picture), input_luma, share)
    second = in_torch.new_anchor(to_tensor(picture), torch.from_numpy(input_luma)[None, None].float(), to_part(share))
    assert np.abs(second.large[0, 0].numpy() - first.large).max() <= 2
    motion = MotionField(
        cv2.GaussianBlur(random.uniform(-3, 3, (*size, 2)), (0, 0), 2).astype(np.float32),
        random.uniform(0.5, 1, size).astype(np.float32),
        input_luma,
        input_luma,
    )
    for _ in range(2):
        first, second = anchor_frames.moved(first, motion), in_torch.moved(second, to_motions(motion))
    assert np.abs(second.displacement[0].permute(1, 2, 0).numpy() - first.displacement).max() < 0.05
    assert np.abs(second.share[0, 0].numpy() - first.share).mean() < 0.02
    blended = random.uniform(0, 255, (height, width, 3)).astype(np.float32)
    shown, expected = in_torch.show(to_tensor(blended), [(second, 0.6)]), anchor_frames.show(blended, [(first, 0.6)])
    assert np.abs(to_picture(shown) - expected).mean() < 1


def to_part(values):
    return torch.from_numpy(values)[None, None]


@pytest.mark.parametrize("device", [False, True])
def test_states_hold_all_of_an_anchor_frame(device):
    anchor = anchor_frames.moved(anchor_of(), field_of((0.7, -0.4), np.full((24, 36), 90, np.uint8)))
    state = anchor.to_state()
    if device:
        cpu = torch.device("cpu")
        state = in_torch.TensorAnchor.of_state(in_torch.TensorAnchor.of_state(state, cpu).to_state(), cpu).to_state()
    again = anchor_frames.AnchorFrame.of_state(state)
    for name in ("luma", "input_luma", "displacement", "share", "large"):
        first, second = getattr(anchor, name), getattr(again, name)
        assert first.dtype == second.dtype
        assert np.array_equal(first, second), name


def test_pairs_of_frames_in_the_same_scene_have_two_anchor_frames_at_most():
    frames = pan(13)
    smoother = TemporalSmoother(0.5)
    for index, (before, frame) in enumerate(pairwise([frames[0], *frames])):
        smoother.smooth(255 - frame, OPENCV.estimate_motion(before, frame) if index else None, index)
        state = smoother.end_batch()
        assert state is not None
        assert len(state.anchors) == (0 if index == 0 else min(2, 1 + index // 3))
