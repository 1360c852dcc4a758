"""The pure function from a preview's state to how far it is: nothing here reads or writes."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.preview_call import PreviewStatus
from orchestration.azure_batch.ports import TaskView
from orchestration.previews.state import PreviewState

WAIT_LIMIT: Final = dt.timedelta(minutes=30)
"""How long a preview waits for a node."""
TIME_LIMIT: Final = dt.timedelta(minutes=45)
"""How long an attempt may take in all; Batch ends its job then, too."""
WAITING: Final = "Waiting for a node; a new one usually takes 5 to 10 minutes"
WAITING_LOCALLY: Final = "Waiting for the task to start"
ORDER_AGAIN: Final = "Order the preview again"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a preview is, and of a failed one why and what to do."""

    status: PreviewStatus
    reason: str
    remedy: str = ""
    code: ErrorCode | None = None
    next_step: NextStep | None = None

    @property
    def has_ended(self) -> bool:
        """Whether its task has nothing left to do."""
        return self.status in ("finished", "failed")


def decide(state: PreviewState, task: TaskView | None, now: dt.datetime, *, is_local: bool) -> Standing:
    """Return how far the newest attempt is. `task` is None if it has none, or Batch was not asked."""
    if state.result is not None:
        return Standing(status="finished", reason="")
    if not state.attempt:
        return _failed(
            "The preview was ordered, but not begun", ORDER_AGAIN, ErrorCode.TEMPORARY_FAILURE, NextStep.RETRY_LATER
        )
    if state.ending is not None:
        return _failed(state.ending.reason, state.ending.remedy, state.ending.code, state.ending.next_step)
    error = state.error
    if error is not None and error.permanent:
        return _failed(error.reason, error.remedy, error.code, error.next_step)
    if task is not None and not task.is_active:
        return _failed_task(state, task)
    # Pictures of an earlier attempt say nothing about this one.
    has_begun = (task is not None and task.state == "running") or (state.attempt == 1 and state.has_pictures)
    age = now - state.began_at if state.began_at else TIME_LIMIT
    if age >= (TIME_LIMIT if has_begun else WAIT_LIMIT):
        return _overdue(has_begun)
    if has_begun:
        return Standing(status="painting", reason="")
    return Standing(status="waiting", reason=WAITING_LOCALLY if is_local else WAITING)


def _failed(reason: str, remedy: str, code: ErrorCode, next_step: NextStep) -> Standing:
    return Standing(status="failed", reason=reason, remedy=remedy, code=code, next_step=next_step)


def _failed_task(state: PreviewState, task: TaskView) -> Standing:
    """Return the failure of a completed task without a result, in the words of its last error."""
    output = f"logs/{state.paths.job_id(state.attempt)}/stderr.txt"
    if state.error is not None:
        return _failed(state.error.reason, state.error.remedy, ErrorCode.TASK_FAILED, NextStep.RESUBMIT)
    cause = f" ({task.failure})" if task.failure else ""
    return _failed(
        f"The task of the preview left no result{cause}",
        f"{ORDER_AGAIN}; if it fails again, read {output}",
        ErrorCode.TASK_FAILED,
        NextStep.RESUBMIT,
    )


def _overdue(has_begun: bool) -> Standing:
    limit = TIME_LIMIT if has_begun else WAIT_LIMIT
    reason = (
        f"The preview was not finished within {limit.seconds // 60} minutes"
        if has_begun
        else f"No node was free within {limit.seconds // 60} minutes"
    )
    return _failed(
        reason,
        f"{ORDER_AGAIN} later, or check the pool with GET /api/preflight",
        ErrorCode.TEMPORARY_FAILURE,
        NextStep.RETRY_LATER,
    )
