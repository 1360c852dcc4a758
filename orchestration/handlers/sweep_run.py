"""The sweep of one run: advance it, replace lost messages and dead tasks, and fail the rest with a reason."""

import datetime as dt
import logging
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.telemetry.logs import with_run_context
from frame_tools.telemetry.metrics import TASK_RETRIES
from orchestration.app import App, node_image
from orchestration.azure_batch.client import attempts_by_step
from orchestration.azure_batch.ports import TaskView
from orchestration.delays import MAX_FAILED_SWEEPS, Delay, end_delay, record_delay
from orchestration.documents import parse_time
from orchestration.preflight import recheck_pool
from orchestration.reporting.run_index import update_entry
from orchestration.runs.advance import advance
from orchestration.runs.decide import Action, decide
from orchestration.runs.finalize import finalize_run
from orchestration.runs.repair import repair_inputs
from orchestration.runs.scheduling import current_job, ensure_tasks, prioritize_job
from orchestration.state import RunState, read_state, read_task_error, run_name, write_failure

_log = logging.getLogger(__name__)

FIRST_PAUSE: Final = dt.timedelta(minutes=1)
"""Time from the first error of a task that passes by itself until it is retried; it doubles each time."""
LONGEST_PAUSE: Final = dt.timedelta(hours=1)
Attempts = dict[int | str, list[tuple[int, TaskView]]]
"""The tasks of each step, in the order of their attempts."""


@with_run_context
def sweep_run(app: App, run_id: str) -> None:
    """Examine one run and repair it; an error is recorded as the reason of its delay.

    After several sweeps in a row with an error that is not expected to pass, the run fails.
    """
    try:
        proceeds = _examine(app, run_id)
    except Exception as error:  # a defect, too, must end the run after some sweeps, with its reason
        delay = record_delay(app, run_id, error, in_sweep=True)
        if delay is None or delay.failed_sweeps < MAX_FAILED_SWEEPS:
            raise
        _log.exception("run %s is given up", run_id)
        _give_up(app, run_id, delay)
        return
    if proceeds:
        end_delay(app, run_id)


def _give_up(app: App, run_id: str, delay: Delay) -> None:
    finalize_run(
        app,
        run_id,
        name=run_name(app.storage, run_id),
        status="failed",
        reason=f"{delay.failed_sweeps} sweeps in a row failed: {delay.reason}",
        remedy=f"{sentence(delay.remedy)} Then resubmit what is missing",
        code=ErrorCode.RUN_NOT_COMPLETED,
        next_step=NextStep.RESUBMIT,
    )


def _examine(app: App, run_id: str) -> bool:
    """Advance and repair one run, by one reading of its state if there is nothing to do.

    Returns whether a recorded delay is over because nothing waits for another try.
    """
    state = read_state(app.storage, run_id)
    if state is None:
        _delete_open_mark(app, run_id)
        return False
    next_action = decide(state, now=app.clock.now(), run_limit=app.run_limit).action
    if next_action is not Action.WAIT or state.skew is not None:
        advance(app, run_id)
        state = read_state(app.storage, run_id)
    if not isinstance(state, RunState):
        return False
    update_entry(app.storage, state)
    if not _pending_steps(state) or state.outcome is not None or not state.has_slot:
        return state.is_delayed
    tasks = _tasks_by_step(app, state)
    if any(task.state == "active" for attempts in tasks.values() for _, task in attempts):
        recheck_pool(app, run_id, image=node_image(app, state.plan))
    if all(_has_active_task(tasks, step) for step in _pending_steps(state)):
        return state.is_delayed
    # A task writes its receipt before it completes, so receipts are read after tasks: a completed task is not
    # mistaken for one without a receipt.
    latest = read_state(app.storage, run_id)
    if not isinstance(latest, RunState):
        return False
    is_repaired = _repair(app, latest, tasks)
    advance(app, run_id)
    return is_repaired and latest.is_delayed


def _tasks_by_step(app: App, state: RunState) -> Attempts:
    """Return the tasks of the run's job, after setting the job's priority; none if it accepts no more tasks."""
    job_id = ids.job_id(state.run_id, current_job(app, state.run_id))
    is_open = prioritize_job(app, state, job_id, pending=len(_pending_steps(state)))
    return attempts_by_step(app.batch.tasks(job_id)) if is_open else {}


def _has_active_task(tasks: Attempts, step: int | str) -> bool:
    return any(task.is_active for _, task in tasks.get(step, []))


def _repair(app: App, state: RunState, tasks: Attempts) -> bool:
    """Submit the pending steps again that have no active task; return whether all of them have a task now.

    A step without a task waits until its message cannot be in transit any more. If a task failed because something
    that it reads is gone, the run is planned again instead.
    """
    steps = _pending_steps(state)
    idle = [step for step in steps if not _has_active_task(tasks, step)]
    if any(tasks.get(step) for step in idle) and repair_inputs(app, state):
        return True
    to_submit: list[int | str] = []
    for step in idle:
        attempts = tasks.get(step, [])
        if _claim_retry(app, state.run_id, step, attempts[-1][1]) if attempts else _grace_is_over(app, state):
            to_submit.append(step)
    if to_submit:
        _log.warning("run %s: submitting %d steps again, the first is %s", state.run_id, len(to_submit), to_submit[0])
        ensure_tasks(app, state.run_id, to_submit)
    return to_submit == idle


def _delete_open_mark(app: App, run_id: str) -> None:
    """Delete the mark of a run without a request, unless the request arrives meanwhile (see `start_run.open_run`)."""
    app.storage.runs.delete(RunPaths(run_id).open_mark)
    if app.storage.runs.exists(RunPaths(run_id).request):
        app.storage.runs.create(RunPaths(run_id).open_mark, b"")


def _pending_steps(state: RunState) -> list[int | str]:
    """Return the steps that a task should be executing now."""
    if state.plan is None:
        return (
            ["split"] if state.request.trigger.needs_split and state.split is None and "split" in state.queued else []
        )
    if not state.missing:
        return ["join"] if "join" in state.queued and "join" not in state.failures else []
    if "batches" not in state.queued:
        return []
    return [batch for batch in state.missing if ids.step_name(batch) not in state.failures]


def _grace_is_over(app: App, state: RunState) -> bool:
    """Return whether a message that is still in transit would have arrived by now."""
    stage = "split" if state.plan is None else "batches" if state.missing else "join"
    queued_at = state.queued.get(stage)
    grace = dt.timedelta(seconds=app.settings.sweep_grace_seconds)
    return queued_at is not None and app.clock.now() - queued_at > grace


def _claim_retry(app: App, run_id: str, step: int | str, last: TaskView) -> bool:
    """Return whether a step whose tasks all completed without a receipt may be retried now; else record its failure."""
    name = ids.step_name(step)
    error = read_task_error(app.storage, run_id, name)
    if error is not None and error.is_passing and error.explains(task_id=last.task_id, exit_code=last.exit_code):
        return _claim_later_retry(app, error, last)
    for number in range(1, app.settings.sweep_retries + 1):
        if app.storage.runs.create(RunPaths(run_id).retry_claim(name, number), last.task_id.encode()):
            app.metrics.record(TASK_RETRIES, 1)
            return True
    write_failure(app.storage, _describe_failure(app, run_id, name, last))
    app.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="advance"))
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
