"""What a run needs next: one pure function of what is durable. No clock, no service, no side effect."""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal

from frame_tools.contracts.errors import sentence
from orchestration.state import RunState

_WAYS_ON: Final = ("resubmit", "trigger file")
"""What a remedy speaks of that tells itself how to go on."""

Verb = Literal["clean up", "finish", "cancel", "fail", "admit", "split", "plan", "queue", "join", "wait"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """The next thing to do for a run; `reason` and `remedy` go with "fail"."""

    verb: Verb
    reason: str = ""
    remedy: str = ""


def decide(state: RunState, *, now: dt.datetime, run_limit: dt.timedelta) -> Step:
    """Return the next step of a run.

    The order of the rows is the rule: an end is an end; a video (or records) that was committed beats a cancellation
    that came later; a cancellation beats everything still to do.
    """
    if state.outcome is not None:
        return Step(verb="clean up")
    if state.product is not None:
        return Step(verb="finish")
    if state.cancelled:
        return Step(verb="cancel")
    if now - state.began_at > run_limit:
        return Step(
            verb="fail",
            reason=f"The run did not end within {run_limit}",
            remedy="See docs/operations.md for what to look at, then resubmit what is missing",
        )
    if not state.has_slot:
        return Step(verb="admit")
    if state.plan is None:
        return _before_the_plan(state)
    if not state.missing:
        return _failed(state, "join") or Step(verb="join")
    if len(state.failed_batches) == len(state.missing):
        return _failed_batches(state)
    return Step(verb="wait" if "batches" in state.queued else "queue")


def _before_the_plan(state: RunState) -> Step:
    if state.request.trigger.video is None or state.split is not None or state.request.parent is not None:
        return Step(verb="plan")
    if failed := _failed(state, "split"):
        return failed
    return Step(verb="wait" if "split" in state.queued else "split")


def _failed(state: RunState, step: str) -> Step | None:
    failure = state.failures.get(step)
    return Step(verb="fail", reason=failure.reason, remedy=failure.remedy) if failure else None


def _failed_batches(state: RunState) -> Step:
    numbers = state.failed_batches
    first = state.failures[f"{numbers[0]:05d}"]
    which = f"Batch {numbers[0]}" if len(numbers) == 1 else f"Batches {', '.join(map(str, numbers[:10]))}"
    remedy = sentence(first.remedy)
    if not any(way in remedy.casefold() for way in _WAYS_ON):
        remedy += " Then resubmit what is missing."
    return Step(verb="fail", reason=f"{which} failed: {first.reason}", remedy=remedy)
