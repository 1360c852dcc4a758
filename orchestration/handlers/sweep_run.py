"""The sweep of one run: advance it, replace lost messages and dead tasks, and fail the rest with a reason."""

import datetime as dt
import logging

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import work_of
from frame_tools.telemetry.logs import with_run_context
from orchestration.app import App, node_image
from orchestration.azure_batch.attempts import Attempts, attempts_by_work
from orchestration.delays import MAX_FAILED_SWEEPS, Delay, end_delay, record_delay
from orchestration.preflight import recheck_pool
from orchestration.reporting.run_index import update_entry
from orchestration.runs.advance import advance
from orchestration.runs.decide import Action, decide
from orchestration.runs.finalize import finalize_run
from orchestration.runs.repair import repair_inputs
from orchestration.runs.retries import claim_retries
from orchestration.runs.scheduling import current_job, ensure_tasks, prioritize_job
from orchestration.state import RunState, read_state, run_name

_log = logging.getLogger(__name__)


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
    tasks = _tasks_by_work(app, state)
    if any(task.state == "active" for attempts in tasks.values() for _, task in attempts):
        recheck_pool(app, run_id, image=node_image(app, state.plan))
    if all(_has_active_task(tasks, work_of(step, state.plan)) for step in _pending_steps(state)):
        return state.is_delayed
    # A task writes its receipt before it completes, so receipts are read after tasks: a completed task is not
    # mistaken for one without a receipt.
    latest = read_state(app.storage, run_id)
    if not isinstance(latest, RunState):
        return False
    is_repaired = _repair(app, latest, tasks)
    advance(app, run_id)
    return is_repaired and latest.is_delayed


def _tasks_by_work(app: App, state: RunState) -> Attempts:
    """Return the tasks of the run's job, after setting the job's priority; none if it accepts no more tasks."""
    job_id = ids.job_id(state.run_id, current_job(app, state.run_id))
    is_open = prioritize_job(app, state, job_id, pending=len(_pending_steps(state)))
    return attempts_by_work(app.batch.tasks(job_id)) if is_open else {}


def _has_active_task(tasks: Attempts, work: ids.Work) -> bool:
    return any(task.is_active for _, task in tasks.get(work, []))


def _repair(app: App, state: RunState, tasks: Attempts) -> bool:
    """Submit the pending steps again that have no active task; return whether all of them have a task now.

    A step without a task waits until its message cannot be in transit any more. If a task failed because something
    that it reads is gone, the run is planned again instead.
    """
    idle: dict[ids.Work, list[int | str]] = {}
    for step in _pending_steps(state):
        work = work_of(step, state.plan)
        if not _has_active_task(tasks, work):
            idle.setdefault(work, []).append(step)
    if any(tasks.get(work) for work in idle) and repair_inputs(app, state):
        return True
    to_submit: list[int | str] = []
    for work, steps in idle.items():
        if attempts := tasks.get(work):
            to_submit += claim_retries(app, state, steps, attempts[-1][1])
        elif _grace_is_over(app, state):
            to_submit += steps
    if to_submit:
        _log.warning("run %s: submitting %d steps again, the first is %s", state.run_id, len(to_submit), to_submit[0])
        ensure_tasks(app, state.run_id, to_submit)
    return len(to_submit) == sum(map(len, idle.values()))


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
