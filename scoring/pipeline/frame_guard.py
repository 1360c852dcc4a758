"""Detects black, blank or non-finite output frames, retries them in float32, and applies the run's `bad_frame` policy.

Two steps. As a `Score`, the guard checks each picture of the scorer and retries a bad one in full precision where the
scorer supports it. `resolve`, called in the order of frames, then applies the policy to those that stay bad.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast, runtime_checkable

import cv2
import numpy as np

from frame_tools.contracts.choices import BadFramePolicy
from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.receipt import BadFrame
from scoring.postprocess.resize import enlarge
from scoring.types import FramePositions, NonFiniteOutputError, Picture, Pictures, Score

BLANK_STD_THRESHOLD: Final = 1.0
"""Gray levels: a picture is blank if the standard deviation of every channel is below this."""
CONTENT_STD_THRESHOLD: Final = 4.0
"""Gray levels: an input shows content if the standard deviation of a channel reaches this. The gap between the two
thresholds is for frames that fade out: there a blank result is correct."""
BLACK_MEAN_THRESHOLD: Final = 2.0
"""Gray levels: a picture is black if no channel has a mean above this."""
BRIGHT_MEAN_THRESHOLD: Final = 16.0
"""Gray levels: an input is not black if the mean of a channel reaches this."""

NON_FINITE: Final = "contains NaN or infinity"
BLACK: Final = "is black"
BLANK: Final = "is blank"
_REMEDY: Final = "Resubmit the run with bad_frame original or previous, or start a new run with another style"

T = TypeVar("T")

_log = logging.getLogger(__name__)


@runtime_checkable
class SupportsFullPrecision(Protocol):
    """A scorer's `Score` that can repeat pictures in full precision (float32)."""

    def score_full_precision(self, pictures: Pictures, positions: FramePositions, /) -> Pictures:
        """Score in float32 on any device; raises NonFiniteOutputError."""


@dataclass(frozen=True)
class _Verdict:
    """What is wrong with a frame, and whether the retry in full precision corrected it."""

    what: str
    recovered: bool


class Guard:
    """A `Score` around the scorer's; one per task.

    `reject_blank`: whether a black or blank picture is a fault. It is for style scorers; a program of the operator's
    may produce one on purpose. `scale`: size of the scored pictures, as a multiple of that of the scorer's input.
    """

    def __init__(self, score: Score, policy: BadFramePolicy, *, reject_blank: bool = True, scale: int = 1) -> None:
        self._score = score
        self._scale = scale
        self._full_precision = score.score_full_precision if isinstance(score, SupportsFullPrecision) else None
        self._policy = policy
        self._reject_blank = reject_blank
        self._verdicts: dict[int, _Verdict] = {}
        self._last_good: Any = None
        self.last_is_good = False
        """Whether the frame that was resolved last has its own picture, not a replacement."""
        self._bad_frames: list[BadFrame] = []

    def __call__(self, pictures: Pictures, positions: FramePositions) -> Pictures:
        """Score (B, H, W, 3); thread-safe."""
        scored, faults = self._checked(self._score, pictures, positions)
        scored = scored.copy() if faults else scored  # the array may belong to the scorer
        for place, what in faults.items():
            retry = self._retry(pictures[place : place + 1], positions[place : place + 1])
            if retry is not None:
                scored[place] = retry
            self.record(positions[place].index, what, recovered=retry is not None)
        return scored

    def record(self, index: int, what: str, *, recovered: bool) -> None:
        """Record what is wrong with a frame's picture, and whether full precision corrected it."""
        self._verdicts[index] = _Verdict(what, recovered=recovered)

    def resolve(self, index: int, name: str, picture: Picture, scored: T) -> T | Picture:
        """Return the picture to use for a frame; call for every frame, in order, on one thread.

        `picture` is the input of the scorer, `scored` what it made: a picture, or a tensor on the device. With the
        policy "previous" a bad frame is replaced by the last good one, or by its input if there is none. With "fail"
        the first bad frame in order raises InputError: another attempt would give the same result.
        """
        verdict = self._verdicts.pop(index, None)
        self.last_is_good = verdict is None or verdict.recovered
        if verdict is None or verdict.recovered:
            self._last_good = scored
            if verdict is not None:
                self._report(BadFrame(index=index, name=name, what=verdict.what, done="retried"))
            return scored
        if self._policy == "fail":
            raise InputError(
                f"Frame {name} cannot be scored: the result {verdict.what}", _REMEDY, next_step=NextStep.RESUBMIT
            )
        if self._policy == "previous" and self._last_good is not None:
            self._report(BadFrame(index=index, name=name, what=verdict.what, done="previous"))
            return cast("T", self._last_good)
        self._report(BadFrame(index=index, name=name, what=verdict.what, done="original"))
        return enlarge(picture, self._scale)

    def end_batch(self, *, continues: bool) -> None:
        """Forget the last good frame at a batch's end, unless it is the batch's last and the next batch `continues`.

        That frame is scored again where the next batch is scored alone; no other one is.
        """
        if not continues or not self.last_is_good:
            self._last_good = None

    def bad_frames(self, start: int, end: int) -> tuple[BadFrame, ...]:
        """Return the bad frames in [start, end), for the receipt."""
        return tuple(bad for bad in self._bad_frames if start <= bad.index < end)

    def _retry(self, pictures: Pictures, positions: FramePositions) -> Picture | None:
        """Score one picture in full precision; return None if that is not possible or does not help."""
        if self._full_precision is None:
            return None
        scored, faults = self._checked(self._full_precision, pictures, positions)
        return None if faults else scored[0]

    def _checked(self, score: Score, pictures: Pictures, positions: FramePositions) -> tuple[Pictures, dict[int, str]]:
        """Score; return the result, and what is wrong with each bad picture by its place."""
        try:
            scored = score(pictures, positions)
        except NonFiniteOutputError:
            if len(pictures) == 1:
                return enlarge(pictures[0], self._scale)[None].copy(), {0: NON_FINITE}
            return self._checked_one_by_one(score, pictures, positions)
        if not self._reject_blank or scored is pictures:
            return scored, {}
        faults = {
            place: blank_fault(picture, result)
            for place, (picture, result) in enumerate(zip(pictures, scored, strict=True))
        }
        return scored, {place: what for place, what in faults.items() if what is not None}

    def _checked_one_by_one(
        self, score: Score, pictures: Pictures, positions: FramePositions
    ) -> tuple[Pictures, dict[int, str]]:
        """Score picture by picture, to find out which ones are bad."""
        parts = [self._checked(score, pictures[i : i + 1], positions[i : i + 1]) for i in range(len(pictures))]
        faults = {place: part_faults[0] for place, (_, part_faults) in enumerate(parts) if part_faults}
        return np.concatenate([part for part, _ in parts]), faults

    def _report(self, bad: BadFrame) -> None:
        self._bad_frames.append(bad)
        _log.warning("The result of frame %s %s: %s", bad.name, bad.what, _ACTIONS[bad.done])


_ACTIONS: Final = {
    "retried": "computed again in full precision, which succeeded",
    "original": "the input frame is delivered",
    "previous": "the last good frame is delivered instead",
}


@dataclass(frozen=True)
class Levels:
    """The largest mean and the largest standard deviation of a picture's channels, in gray levels."""

    mean: float
    deviation: float


def blank_fault(picture: Picture, scored: Picture) -> str | None:
    """Return what is wrong if `scored` is black or blank while its input `picture` is not; both (H, W, 3)."""
    return blank_fault_of(_levels(scored), lambda: _levels(picture))


def blank_fault_of(scored: Levels, picture: Callable[[], Levels]) -> str | None:
    """Return what `blank_fault` does, for measured pictures; the input is measured only if the result looks wrong."""
    is_black, is_blank = scored.mean <= BLACK_MEAN_THRESHOLD, scored.deviation < BLANK_STD_THRESHOLD
    if not is_black and not is_blank:
        return None
    expected = picture()
    if is_black and expected.mean >= BRIGHT_MEAN_THRESHOLD:
        return BLACK
    return BLANK if is_blank and expected.deviation >= CONTENT_STD_THRESHOLD else None


def _levels(picture: Picture) -> Levels:
    means, deviations = cv2.meanStdDev(picture)
    return Levels(float(means.max()), float(deviations.max()))
