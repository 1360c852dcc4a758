"""The next action of a run: a pure function of durable state. No clock, no service, no side effect."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration.state import AnyState, RunState, UnreadableRun


class Action(StrEnum):
    """What `advance` does for a run."""

    CLEAN_UP = "clean_up"
    """Write the report and release everything that an ended run still holds."""
    FINISH = "finish"
    CANCEL = "cancel"
    REPAIR = "repair"
    """Quarantine damaged documents that can be made again."""
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


def decide(state: AnyState, *, now: dt.datetime, run_limit: dt.timedelta) -> NextAction:
    """Return the next action of a run.

    The order of the rules matters: an outcome is final; a committed video (or records) takes precedence over a later
    cancellation; a cancellation takes precedence over all remaining work, and so does the time limit. A run waits for
    another version of Impasto if that has written one of its documents, but not longer than its time limit: an outcome
    that is unreadable until then is quarantined, and the run ends again.
    """
    if state.outcome is not None:
        return NextAction(action=Action.CLEAN_UP)
    is_expired = now - state.start_of_limit(now) > run_limit
    if state.damaged_outcome is not None:
        is_waiting = not state.damaged_outcome.is_damaged and not is_expired
        return NextAction(action=Action.WAIT if is_waiting else Action.REPAIR)
    if isinstance(state, RunState) and state.product is not None:
        product = "video is" if state.video else "records are"
        return NextAction(action=Action.FINISH, reason=f"The {product} complete")
    if isinstance(state, RunState) and _has_product_to_check(state) and not is_expired:
        return NextAction(action=Action.JOIN)
    if state.cancelled:
        return NextAction(action=Action.CANCEL, reason="A user cancelled the run")
    if isinstance(state, UnreadableRun) and state.skew is None:
        return _damaged_request(state)
    if is_expired:
        return _time_limit_exceeded(state, run_limit)
    if state.skew is not None or isinstance(state, UnreadableRun):
        return NextAction(action=Action.WAIT)
    return _decide_work(state)


def _decide_work(state: RunState) -> NextAction:
    """Return the next action of a run that goes on."""
    if damaged_documents(state):
        return NextAction(action=Action.REPAIR)
    if not state.has_slot:
        return NextAction(action=Action.ADMIT)
    if state.plan is None:
        return _decide_without_plan(state)
    if not state.missing:
        return _step_failure(state, "join") or NextAction(action=Action.JOIN)
    if len(state.failed_batches) == len(state.missing):
        return _batch_failures(state)
    return NextAction(action=Action.WAIT if "batches" in state.queued else Action.QUEUE)


def _has_product_to_check(state: RunState) -> bool:
    """Return whether the join has to look at a video that it may have committed before it died."""
    is_joining = state.plan is not None and not state.missing and "join" not in state.failures
    return is_joining and state.has_unrecorded_product and not damaged_documents(state)


def damaged_documents(state: RunState) -> list[str]:
    """Return the damaged documents that the run still needs, by blob name. A planned run needs no split receipt."""
    split_receipt = RunPaths(state.run_id).split_receipt
    return [
        name
        for name, blob in state.unreadable.items()
        if blob.is_damaged and (name != split_receipt or state.plan is None)
    ]


def _damaged_request(state: UnreadableRun) -> NextAction:
    return NextAction(
        action=Action.FAIL,
        reason=f"The request of the run is damaged: {state.error.what}",
        remedy="Upload the trigger file again to start a new run",
        code=ErrorCode.DAMAGED_DATA,
        next_step=NextStep.START_NEW_RUN,
    )


def _time_limit_exceeded(state: AnyState, run_limit: dt.timedelta) -> NextAction:
    cause = f": {state.skew.what}" if state.skew is not None else ""
    can_continue = isinstance(state, RunState)
    return NextAction(
        action=Action.FAIL,
        reason=f"The run did not end within {run_limit}{cause}",
        remedy="See docs/operations.md for what to check, then resubmit what is missing"
        if can_continue
        else "Upload the trigger file again to start a new run",
        code=ErrorCode.RUN_TIMED_OUT,
        next_step=NextStep.RESUBMIT if can_continue else NextStep.START_NEW_RUN,
    )


def _decide_without_plan(state: RunState) -> NextAction:
    is_child = state.request.parent is not None and not state.splits_again
    if not state.request.trigger.needs_split or state.split is not None or is_child:
        return NextAction(action=Action.PLAN)
    if failure := _step_failure(state, "split"):
        return failure
    return NextAction(action=Action.WAIT if "split" in state.queued else Action.SPLIT)


def _step_failure(state: RunState, step: str) -> NextAction | None:
    failure = state.failures.get(step)
    return None if failure is None else _failed(failure, failure.reason)


def _batch_failures(state: RunState) -> NextAction:
    numbers = state.failed_batches
    first = state.failures[f"{numbers[0]:05d}"]
    subject = f"Batch {numbers[0]}" if len(numbers) == 1 else f"Batches {', '.join(map(str, numbers[:10]))}"
    return _failed(first, f"{subject} failed: {first.reason}")


def _failed(failure: Failure, reason: str) -> NextAction:
    """Return the end of a run by the failure of a step: its remedy, completed by how the run continues."""
    remedy, next_step = sentence(failure.remedy), failure.next_step
    if next_step is not None and not next_step.names_way_on:
        remedy += " Then resubmit what is missing."
        next_step = NextStep.RESUBMIT
    return NextAction(action=Action.FAIL, reason=reason, remedy=remedy, code=failure.code, next_step=next_step)
