"""What a run needs next: one pure function of what is durable. No clock, no service, no side effect."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from orchestration.state import RunState

Verb = Literal["clean up", "finish", "cancel", "fail", "admit", "split", "plan", "queue", "join", "wait"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """The next thing to do for a run; `reason`, `remedy`, `code` and `next_step` go with "fail"."""

    verb: Verb
    reason: str = ""
    remedy: str = ""
    code: ErrorCode | None = None
    next_step: NextStep | None = None


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
            code=ErrorCode.RUN_TIMED_OUT,
            next_step=NextStep.RESUBMIT,
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
    if failure is None:
        return None
    return Step(
        verb="fail", reason=failure.reason, remedy=failure.remedy, code=failure.code, next_step=failure.next_step
    )


def _failed_batches(state: RunState) -> Step:
    numbers = state.failed_batches
    first = state.failures[f"{numbers[0]:05d}"]
    which = f"Batch {numbers[0]}" if len(numbers) == 1 else f"Batches {', '.join(map(str, numbers[:10]))}"
    remedy, next_step = sentence(first.remedy), first.next_step
    if next_step is not None and not next_step.names_way_on:
        remedy += " Then resubmit what is missing."
        next_step = NextStep.RESUBMIT
    reason = f"{which} failed: {first.reason}"
    return Step(verb="fail", reason=reason, remedy=remedy, code=first.code, next_step=next_step)
