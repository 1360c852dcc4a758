"""The next action of a run: a pure function of durable state. No clock, no service, no side effect."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from orchestration.state import RunState


class Action(StrEnum):
    """What `advance` does for a run."""

    CLEAN_UP = "clean_up"
    """Write the report and release everything that an ended run still holds."""
    FINISH = "finish"
    CANCEL = "cancel"
    FAIL = "fail"
    ADMIT = "admit"
    """Acquire a slot."""
    SPLIT = "split"
    """Queue the task that splits the video."""
    PLAN = "plan"
    QUEUE = "queue"
    """Queue a message for each batch."""
    JOIN = "join"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class NextAction:
    """The next action of a run. Actions that end the run have a reason; FAIL also has a remedy, code and next step."""

    action: Action
    reason: str = ""
    remedy: str = ""
    code: ErrorCode | None = None
    next_step: NextStep | None = None


def decide(state: RunState, *, now: dt.datetime, run_limit: dt.timedelta) -> NextAction:
    """Return the next action of a run.

    The order of the rules matters: an outcome is final; a committed video (or records) takes precedence over a later
    cancellation; a cancellation takes precedence over all remaining work.
    """
    if state.outcome is not None:
        return NextAction(action=Action.CLEAN_UP)
    if state.product is not None:
        product = "video is" if state.video else "records are"
        return NextAction(action=Action.FINISH, reason=f"The {product} complete")
    if state.cancelled:
        return NextAction(action=Action.CANCEL, reason="A user cancelled the run")
    if now - state.began_at > run_limit:
        return NextAction(
            action=Action.FAIL,
            reason=f"The run did not end within {run_limit}",
            remedy="See docs/operations.md for what to check, then resubmit what is missing",
            code=ErrorCode.RUN_TIMED_OUT,
            next_step=NextStep.RESUBMIT,
        )
    if not state.has_slot:
        return NextAction(action=Action.ADMIT)
    if state.plan is None:
        return _decide_without_plan(state)
    if not state.missing:
        return _step_failure(state, "join") or NextAction(action=Action.JOIN)
    if len(state.failed_batches) == len(state.missing):
        return _batch_failures(state)
    return NextAction(action=Action.WAIT if "batches" in state.queued else Action.QUEUE)


def _decide_without_plan(state: RunState) -> NextAction:
    if state.request.trigger.video is None or state.split is not None or state.request.parent is not None:
        return NextAction(action=Action.PLAN)
    if failure := _step_failure(state, "split"):
        return failure
    return NextAction(action=Action.WAIT if "split" in state.queued else Action.SPLIT)


def _step_failure(state: RunState, step: str) -> NextAction | None:
    failure = state.failures.get(step)
    if failure is None:
        return None
    return NextAction(
        action=Action.FAIL,
        reason=failure.reason,
        remedy=failure.remedy,
        code=failure.code,
        next_step=failure.next_step,
    )


def _batch_failures(state: RunState) -> NextAction:
    numbers = state.failed_batches
    first = state.failures[f"{numbers[0]:05d}"]
    subject = f"Batch {numbers[0]}" if len(numbers) == 1 else f"Batches {', '.join(map(str, numbers[:10]))}"
    remedy, next_step = sentence(first.remedy), first.next_step
    if next_step is not None and not next_step.names_way_on:
        remedy += " Then resubmit what is missing."
        next_step = NextStep.RESUBMIT
    return NextAction(
        action=Action.FAIL,
        reason=f"{subject} failed: {first.reason}",
        remedy=remedy,
        code=first.code,
        next_step=next_step,
    )
