"""Retries of tasks that completed without doing their steps: how often, when, and which step fails at the end.

A task of several batches does them in order and goes on after a batch that it cannot do, so what ended it is the error
that it has recorded, or what happened at the first batch that is missing.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.telemetry.metrics import TASK_RETRIES
from orchestration.app import App
from orchestration.azure_batch.ports import TaskView
from orchestration.documents import parse_time
from orchestration.state import RunState, read_task_error, write_failure

FIRST_PAUSE: Final = dt.timedelta(minutes=1)
"""Time from the first error of a task that passes by itself until it is retried; it doubles each time."""
LONGEST_PAUSE: Final = dt.timedelta(hours=1)


def claim_retries(app: App, state: RunState, steps: Sequence[int | str], last: TaskView) -> list[int | str]:
    """Return those of `steps` that may be retried now; record the failure of those that may not be any more.

    `steps` are the pending ones of one task, in order, and `last` is its last attempt, which has completed. Of several
    batches only the one that ended the task fails, unless the batch before it has failed, too: the next attempt then
    begins behind it.
    """
    errors = [error for error in _errors(app, state, steps) if _explains(error, last)]
    passing = next((error for error in errors if error.is_passing), None)
    if passing is not None:
        return list(steps) if _claim_later_retry(app, passing, last) else []
    # Later errors may be consequences of the first one, so each gets its turn.
    blamed = errors[0].step if errors else ids.step_name(steps[0])
    to_claim = [step for step in steps if ids.step_name(step) == blamed]
    failed = [step for step in to_claim if not _claim_retry(app, state.run_id, step, last)]
    if _follows_failure(state, failed):
        failed = list(steps)
    for step in failed:
        write_failure(app.storage, _describe_failure(app, state.run_id, ids.step_name(step), last))
    if failed:
        app.storage.finished_batches.send(BatchMessage(run_id=state.run_id, batch="advance"))
    return [step for step in steps if step not in failed]


def _errors(app: App, state: RunState, steps: Sequence[int | str]) -> Iterator[TaskError]:
    """Yield the recorded errors of some steps."""
    names = RunPaths(state.run_id)
    for step in map(ids.step_name, steps):
        if {names.error(step), names.old_error(step)} & state.stored:
            error = read_task_error(app.storage, state.run_id, step)
            if error is not None:
                yield error


def _explains(error: TaskError, last: TaskView) -> bool:
    return error.explains(task_id=last.task_id, exit_code=last.exit_code)


def _follows_failure(state: RunState, failed: Sequence[int | str]) -> bool:
    """Return whether the batch before the first failed one has failed, too: then the cause is not a single batch.

    Only one of the same task counts, and none that failed because of its own input.
    """
    first = next((step for step in failed if isinstance(step, int)), 0)
    if state.plan is None or first <= state.plan.task_of(first).first:
        return False
    before = state.failures.get(ids.step_name(first - 1))
    return before is not None and before.code is not ErrorCode.INVALID_INPUT


def _claim_retry(app: App, run_id: str, step: int | str, last: TaskView) -> bool:
    """Return whether the sweep may retry a step once more."""
    for number in range(1, app.settings.sweep_retries + 1):
        if app.storage.runs.create(RunPaths(run_id).retry_claim(ids.step_name(step), number), last.task_id.encode()):
            app.metrics.record(TASK_RETRIES, 1)
            return True
    return False


def _claim_later_retry(app: App, error: TaskError, last: TaskView) -> bool:
    """Return whether to retry a step now whose task met an error that passes by itself: after longer and longer pauses.

    The number of these retries is not limited; the run's time limit is.
    """
    names = RunPaths(error.run_id)
    number = 1 + sum(1 for _ in app.storage.runs.list(names.later_retries(error.step)))
    pause = min(FIRST_PAUSE * 2 ** min(number - 1, 10), LONGEST_PAUSE)
    happened_at = parse_time(error.happened_at)
    if happened_at is not None and app.clock.now() - happened_at < pause:
        return False
    if not app.storage.runs.create(names.later_retry(error.step, number), last.task_id.encode()):
        return False
    app.metrics.record(TASK_RETRIES, 1)
    return True


def _describe_failure(app: App, run_id: str, step: str, last: TaskView) -> Failure:
    """Return the failure of a step whose last task is `last`: the task's own error if it stored one, else Batch's.

    If the last task ended in another way than the stored error (for example, it was killed), that error is quoted as
    an earlier attempt's.
    """
    output = f"logs/{RunPaths(run_id).task_output_folder(last.task_id)}/stderr.txt"
    failure = Failure(
        run_id=run_id,
        step=step,
        reason=last.failure or f"its task {last.task_id} ended (exit code {last.exit_code}) without leaving a receipt",
        remedy=f"Read {output} for the cause.",
        code=ErrorCode.TASK_FAILED,
        next_step=NextStep.ASK_OPERATOR,
        task_id=last.task_id,
        failed_at=app.clock.now().isoformat(),
    )
    error = read_task_error(app.storage, run_id, step)
    if error is None:
        return failure
    if error.explains(task_id=last.task_id, exit_code=last.exit_code):
        own_error = {
            "reason": error.reason,
            "remedy": f"{sentence(error.remedy)} See {output} for details.",
            "code": error.code,
            "next_step": error.next_step,
        }
        return failure.model_copy(update=own_error)
    earlier = f"earlier, at {error.happened_at}, the task {error.task_id} reported: {error.reason}"
    return failure.model_copy(update={"reason": f"{failure.reason} ({earlier})"})
