"""Bad frames are detected, retried in full precision, and handled by the run's policy."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.receipt import BadFrame
from scoring.pipeline.frame_guard import (
    BLACK,
    BLACK_MEAN_THRESHOLD,
    BLANK,
    BLANK_STD_THRESHOLD,
    BRIGHT_MEAN_THRESHOLD,
    CONTENT_STD_THRESHOLD,
    NON_FINITE,
    Guard,
    blank_fault,
)
from scoring.types import FramePosition, NonFiniteOutputError, PictureError

SHAPE = (24, 32, 3)


def frame(seed):
    return np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)


def positions(*indices):
    return tuple(FramePosition(index, index / 25) for index in indices)


class Negative:
    """Returns the negative; the frames in `faults` become black, flat or NaN."""

    def __init__(self, faults):
        self.faults = faults
        self.calls = []

    def __call__(self, pictures, positions):
        self.calls.append(tuple(position.index for position in positions))
        out = 255 - pictures
        for place, position in enumerate(positions):
            fault = self.faults.get(position.index)
            if fault == "nan":
                raise NonFiniteOutputError(place, "no numbers", "")
            if fault is not None:
                out[place] = {"black": 0, "flat": 128}[fault]
        return out


class Half(Negative):
    """The same in half precision; in full precision only the frames in `full_faults` are bad."""

    def __init__(self, faults, full_faults=None):
        super().__init__(faults)
        self.full = Negative(full_faults or {})

    def score_full_precision(self, pictures, positions):
        return self.full(pictures, positions)


def through(guard, indices, size=2):
    """Score frames in batches and resolve them in order; return the pictures."""
    out = []
    for start in range(0, len(indices), size):
        part = indices[start : start + size]
        pictures = np.stack([frame(index) for index in part])
        for index, picture, scored in zip(part, pictures, guard(pictures, positions(*part)), strict=True):
            out.append(guard.resolve(index, f"{index}.jpg", picture, scored))
    return out


def negatives(*indices):
    return [255 - frame(index) for index in indices]


@pytest.mark.parametrize("policy", ["fail", "original", "previous"])
def test_good_frames_pass_unchanged(policy):
    score = Negative({})
    guard = Guard(score, policy)
    assert np.array_equal(through(guard, [0, 1, 2, 3]), negatives(0, 1, 2, 3))
    assert score.calls == [(0, 1), (2, 3)]
    assert guard.bad_frames(0, 4) == ()


@pytest.mark.parametrize(("fault", "reason"), [("black", BLACK), ("flat", BLANK), ("nan", NON_FINITE)])
@pytest.mark.parametrize("place", [2, 3])
def test_fail_policy_names_frame_and_remedy(fault, reason, place):
    with pytest.raises(InputError, match=f"{place}.jpg.*{reason}") as caught:
        through(Guard(Negative({place: fault}), "fail"), [0, 1, 2, 3])
    assert "bad_frame" in caught.value.remedy


def test_fail_policy_names_the_first_frame_in_order():
    guard = Guard(Negative({1: "flat", 3: "black"}), "fail")
    scored = {index: guard(frame(index)[None], positions(index))[0] for index in (3, 2, 1, 0)}
    assert np.array_equal(guard.resolve(0, "0.jpg", frame(0), scored[0]), negatives(0)[0])
    with pytest.raises(InputError, match=r"1\.jpg .* blank"):
        guard.resolve(1, "1.jpg", frame(1), scored[1])


@pytest.mark.parametrize("fault", ["black", "flat", "nan"])
def test_original_policy_delivers_the_input(fault, caplog):
    guard = Guard(Negative({2: fault}), "original")
    with caplog.at_level(logging.WARNING):
        out = through(guard, [0, 1, 2, 3])
    assert np.array_equal(out, [*negatives(0, 1), frame(2), *negatives(3)])
    (bad,) = guard.bad_frames(0, 4)
    assert (bad.index, bad.name, bad.done) == (2, "2.jpg", "original")
    assert "2.jpg" in caplog.text


@pytest.mark.parametrize("fault", ["black", "flat", "nan"])
def test_previous_policy_delivers_the_last_good_frame(fault):
    guard = Guard(Negative({2: fault, 3: "black"}), "previous")
    assert np.array_equal(through(guard, [0, 1, 2, 3, 4]), [*negatives(0, 1, 1, 1, 4)])
    assert [bad.done for bad in guard.bad_frames(0, 5)] == ["previous", "previous"]


def test_previous_policy_without_previous_delivers_the_input():
    guard = Guard(Negative({7: "black"}), "previous")
    assert np.array_equal(through(guard, [7, 8]), [frame(7), *negatives(8)])
    assert guard.bad_frames(0, 9) == (BadFrame(index=7, name="7.jpg", what=BLACK, done="original"),)


@pytest.mark.parametrize("policy", ["fail", "original", "previous"])
@pytest.mark.parametrize("fault", ["black", "flat", "nan"])
def test_retry_in_full_precision_recovers(policy, fault, caplog):
    score = Half({1: fault, 4: "nan"})
    guard = Guard(score, policy)
    with caplog.at_level(logging.WARNING):
        out = through(guard, [0, 1, 2, 3, 4], size=5)
    assert np.array_equal(out, negatives(0, 1, 2, 3, 4))
    assert score.full.calls == [(1,), (4,)]
    assert [(bad.index, bad.done) for bad in guard.bad_frames(0, 5)] == [(1, "retried"), (4, "retried")]
    assert "full precision" in caplog.text


@pytest.mark.parametrize("still", ["black", "nan"])
def test_policy_applies_after_a_failed_retry(still):
    guard = Guard(Half({1: "nan"}, {1: still}), "original")
    assert np.array_equal(through(guard, [0, 1]), [*negatives(0), frame(1)])
    assert [bad.done for bad in guard.bad_frames(0, 2)] == ["original"]
    with pytest.raises(InputError):
        through(Guard(Half({1: "nan"}, {1: still}), "fail"), [0, 1])


def test_recovered_frame_counts_as_last_good():
    guard = Guard(Half({0: "flat", 1: "flat"}, {1: "flat"}), "previous")
    assert np.array_equal(through(guard, [0, 1]), negatives(0, 0))


def test_blank_is_allowed_for_programs_but_nan_is_not():
    guard = Guard(Negative({0: "black", 1: "nan"}), "original", reject_blank=False)
    out = through(guard, [0, 1])
    assert not out[0].any()
    assert np.array_equal(out[1], frame(1))


def test_bad_frames_excludes_warm_up():
    guard = Guard(Negative({1: "black", 2: "black"}), "original")
    through(guard, [0, 1, 2, 3])
    assert [bad.index for bad in guard.bad_frames(2, 4)] == [2]


def test_other_picture_errors_pass_through():
    def score(pictures, positions):
        raise PictureError(0, "has the wrong size", "", fault=InternalError)

    with pytest.raises(PictureError, match="wrong size"):
        through(Guard(score, "original"), [0])


def test_scorer_array_is_not_modified():
    class Cached(Half):
        def __call__(self, pictures, positions):
            self.own = super().__call__(pictures, positions)
            return self.own

    score = Cached({0: "black"})
    through(Guard(score, "fail"), [0])
    assert not score.own.any()


@given(st.integers(0, 255), st.integers(0, 2**31))
def test_unchanged_picture_is_never_bad(level, seed):
    noise = np.random.default_rng(seed).integers(0, 1 + level, SHAPE, np.uint8)
    assert blank_fault(noise, noise.copy()) is None


@given(st.floats(0, 1.2 * BRIGHT_MEAN_THRESHOLD), st.floats(0, 1.2 * CONTENT_STD_THRESHOLD))
def test_blank_fault_requires_a_picture_with_content(mean, spread):
    stripes = np.where(np.arange(32) % 2, mean + spread, mean - spread).clip(0, 255).round()
    picture = np.broadcast_to(stripes[None, :, None], SHAPE).astype(np.uint8)
    shows = picture.std() >= CONTENT_STD_THRESHOLD
    assert (blank_fault(picture, np.full(SHAPE, 128, np.uint8)) is not None) == shows
    bright = picture.mean() >= BRIGHT_MEAN_THRESHOLD
    assert (blank_fault(picture, np.zeros(SHAPE, np.uint8)) is not None) == (bright or shows)


def test_thresholds_leave_a_gap():
    assert BLANK_STD_THRESHOLD < CONTENT_STD_THRESHOLD
    assert BLACK_MEAN_THRESHOLD < BRIGHT_MEAN_THRESHOLD


class Repeats(Negative):
    """A program of scale 2: the negative with repeated pixels."""

    def __call__(self, pictures, positions):
        return super().__call__(pictures, positions).repeat(2, 1).repeat(2, 2)


def test_bad_frame_of_a_program_that_enlarges_has_the_size_of_the_others():
    guard = Guard(Repeats({1: "nan"}), "original", reject_blank=False, scale=2)
    out = through(guard, [0, 1, 2])
    assert [picture.shape for picture in out] == [(48, 64, 3)] * 3
    assert np.abs(out[1].reshape(24, 2, 32, 2, 3).mean((1, 3)) - frame(1)).mean() < 25, "it is the enlarged input"
    assert np.array_equal(out[2], negatives(2)[0].repeat(2, 0).repeat(2, 1))
    previous = through(Guard(Repeats({1: "nan"}), "previous", reject_blank=False, scale=2), [0, 1])
    assert np.array_equal(previous[0], previous[1])


def test_black_result_of_another_size_is_detected():
    guard = Guard(Repeats({1: "black"}), "previous", scale=2)
    assert [picture.shape for picture in through(guard, [0, 1])] == [(48, 64, 3)] * 2
    assert [bad.what for bad in guard.bad_frames(0, 2)] == [BLACK]
