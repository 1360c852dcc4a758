"""No frame that went wrong is delivered in silence: black, flat or no numbers, it is caught, done again, and told.

Two steps. As a `Score` the guard looks at each picture that the scorer gives and has a bad one done again in full
precision where the scorer can. `settle`, called in the order of frames, then does what the run's option `bad_frame`
says about those that stay bad.
"""

import logging
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.receipt import BadFrame
from scoring.types import FramePositions, NonFiniteOutputError, Picture, Pictures, Score

BadFramePolicy: TypeAlias = Literal["fail", "original", "previous"]

FLAT: Final = 1.0
"""Grey levels: a picture in which every channel's standard deviation is below this shows nothing."""
NOT_FLAT: Final = 4.0
"""Grey levels: standard deviation of a channel from which on a picture shows something. The gap between the two is for
frames that fade out: there a flat result is right."""
BLACK: Final = 2.0
"""Grey levels: a picture whose channels have no mean above this is black."""
NOT_BLACK: Final = 16.0
"""Grey levels: mean of a channel from which on a picture is not black."""

NON_FINITE: Final = "came out as values that are no numbers"
_REMEDY: Final = "Resubmit all with bad_frame original or previous, or put the trigger file again with another style"

_LOG = logging.getLogger(__name__)


@runtime_checkable
class SupportsFullPrecision(Protocol):
    """A scorer's `Score` that can do pictures again in full precision (float32)."""

    def score_full_precision(self, pictures: Pictures, moments: FramePositions) -> Pictures:
        """Score as a call does, in float32 whatever the device; raises NonFiniteOutputError."""


@dataclass(frozen=True)
class _Verdict:
    what: str
    recovered: bool


class Guard:
    """A `Score` around the scorer's; one for each task.

    `empty_is_bad`: whether a black or flat picture is a fault. It is with a painter; a program of the operator's may
    mean it.
    """

    def __init__(self, score: Score, policy: BadFramePolicy, *, reject_blank: bool = True) -> None:
        self._score = score
        self._again: Score | None = score.score_full_precision if isinstance(score, SupportsFullPrecision) else None
        self._policy = policy
        self._empty_is_bad = reject_blank
        self._verdicts: dict[int, _Verdict] = {}
        self._last_good: Picture | None = None
        self._found: list[BadFrame] = []

    def __call__(self, pictures: Pictures, moments: FramePositions) -> Pictures:
        """Score (B, H, W, 3); may be called on several threads."""
        scored, bad = self._judged(self._score, pictures, moments)
        scored = scored.copy() if bad else scored  # it may be the scorer's own
        for place, what in bad.items():
            one = slice(place, place + 1)
            recovered = False
            if self._again is not None:
                again, still_bad = self._judged(self._again, pictures[one], moments[one])
                if recovered := not still_bad:
                    scored[place] = again[0]
            self._verdicts[moments[place].index] = _Verdict(what, recovered)
        return scored

    def resolve(self, index: int, name: str, picture: Picture, scored: Picture) -> Picture:
        """Give what counts as the frame's scored picture; call for every frame, in order, on one thread.

        `picture` is what was scored. With the policy "previous" a bad frame becomes the last good one before it, and
        itself unpainted where there is none. With "fail" the first bad one of the order raises InputError: a further
        attempt would end alike.
        """
        verdict = self._verdicts.pop(index, None)
        if verdict is None or verdict.recovered:
            self._last_good = scored
            if verdict is not None:
                self._note(BadFrame(index=index, name=name, what=verdict.what, done="retried"))
            return scored
        if self._policy == "fail":
            raise InputError(f"Frame {name} can't be scored: {verdict.what}", _REMEDY, next_step=NextStep.RESUBMIT)
        if self._policy == "previous" and self._last_good is not None:
            self._note(BadFrame(index=index, name=name, what=verdict.what, done="previous"))
            return self._last_good
        self._note(BadFrame(index=index, name=name, what=verdict.what, done="original"))
        return picture

    def found(self, start: int, end: int) -> tuple[BadFrame, ...]:
        """Give the bad frames among [start, end), for the receipt."""
        return tuple(bad for bad in self._found if start <= bad.index < end)

    def _judged(self, score: Score, pictures: Pictures, moments: FramePositions) -> tuple[Pictures, dict[int, str]]:
        """Score; give what came out, and for the places of bad pictures in words what is wrong with them."""
        try:
            scored = score(pictures, moments)
        except NonFiniteOutputError:
            if len(pictures) == 1:
                return pictures.copy(), {0: NON_FINITE}
            return self._one_by_one(score, pictures, moments)
        if not self._empty_is_bad or scored is pictures:
            return scored, {}
        found = {place: empty(old, new) for place, (old, new) in enumerate(zip(pictures, scored, strict=True))}
        return scored, {place: what for place, what in found.items() if what is not None}

    def _one_by_one(self, score: Score, pictures: Pictures, moments: FramePositions) -> tuple[Pictures, dict[int, str]]:
        parts = [
            self._judged(score, pictures[i : i + 1], moments[i : i + 1])  # one at a time: which ones are bad?
            for i in range(len(pictures))
        ]
        bad = {place: found[0] for place, (_, found) in enumerate(parts) if found}
        return np.concatenate([part for part, _ in parts]), bad

    def _note(self, bad: BadFrame) -> None:
        self._found.append(bad)
        _LOG.warning("frame %s %s: %s", bad.name, bad.what, _DONE[bad.done])


_DONE: Final = {
    "retried": "computed again in full precision, where it is good",
    "original": "delivered unpainted",
    "previous": "the last good one is shown in its place",
}


def empty(picture: Picture, scored: Picture) -> str | None:
    """Say in words if `scored` is black or flat though `picture`, (H, W, 3) as well, is not; else give None."""
    means, spreads = _levels(scored)
    if means > BLACK and spreads >= FLAT:
        return None
    own_means, own_spreads = _levels(picture)
    if means <= BLACK and own_means >= NOT_BLACK:
        return "came out black"
    if spreads < FLAT and own_spreads >= NOT_FLAT:
        return "came out flat"
    return None


def _levels(picture: Picture) -> tuple[float, float]:
    """Give the greatest mean and the greatest standard deviation of the channels."""
    means, spreads = cv2.meanStdDev(picture)
    return float(means.max()), float(spreads.max())
