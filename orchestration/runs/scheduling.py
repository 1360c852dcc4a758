"""Scheduling of steps on Batch so that each has exactly one active task; used by queue, timer and resubmission.

Batches that share a task in the plan always do, and the task scores those of them that are missing. Tasks of the same
work are numbered by attempt. An active task is left alone. A failed task is reactivated, which resets its
retries. A task that succeeded without leaving a receipt cannot be reactivated and gets a successor. Batch rejects a
second task with the same id, so concurrent handlers create one task. A job that accepts no more tasks gets a successor,
too.
"""

import datetime as dt
import logging
from collections.abc import Iterable, Sequence

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, work_of
from frame_tools.telemetry.logs import with_run_context
from orchestration.app import App, node_image
from orchestration.azure_batch.attempts import attempts_by_work
from orchestration.azure_batch.ports import SubmitResult, TaskView
from orchestration.azure_batch.task_spec import TaskSpec, task_spec
from orchestration.preflight import check_run
from orchestration.runs.finalize import finalize_run
from orchestration.runs.priority import job_priority
from orchestration.state import RunState, job_numbers, run_name

_log = logging.getLogger(__name__)


def current_job(app: App, run_id: str) -> int:
    """Return the number of the run's newest Batch job; claim number 0 for a run that has none."""
    numbers = job_numbers(app.storage, run_id)
    if numbers:
        return max(numbers)
    app.storage.runs.create(RunPaths(run_id).job_claim(0), b"")
    return 0


def _works_of(steps: Iterable[int | str], plan: Plan | None) -> list[ids.Work]:
    """Return the work of each step, each once."""
    return list(dict.fromkeys(work_of(step, plan) for step in steps))


@with_run_context
def submit_tasks(app: App, run_id: str, steps: Sequence[int | str], *, plan: Plan | None) -> None:
    """Submit steps that most likely have no tasks yet: then one Batch call, and three more for the run's first tasks.

    `steps` are those of one message. The job is created only where it turns out to be missing.
    """
    image = node_image(app, plan)
    if not _pool_can_run(app, run_id, image):
        return
    number = current_job(app, run_id)
    specs = [_task_spec(app, run_id, work, 1, image) for work in _works_of(steps, plan)]
    if app.batch.add_tasks(ids.job_id(run_id, number), specs) is not SubmitResult.ADDED:
        ensure_tasks(app, run_id, steps)
        return
    _terminate_job_of_ended_run(app, run_id, number)


@with_run_context
def ensure_tasks(app: App, run_id: str, steps: Iterable[int | str]) -> None:
    """Ensure that each of `steps` has an active task."""
    plan = app.plans.find(app.storage, run_id)
    if not _pool_can_run(app, run_id, node_image(app, plan)):
        return
    number = current_job(app, run_id)
    works = _works_of(steps, plan)
    if not _ensure_tasks_in_job(app, run_id, works, number, plan):
        app.storage.runs.create(RunPaths(run_id).job_claim(number + 1), b"")
        _log.warning("run %s: the job %d accepts no more tasks, continuing in the job %d", run_id, number, number + 1)
        number += 1
        _ensure_tasks_in_job(app, run_id, works, number, plan)
    _terminate_job_of_ended_run(app, run_id, number)


def _pool_can_run(app: App, run_id: str, image: str) -> bool:
    """Return whether the pool can run tasks at all; if it never will, fail the run with the reason."""
    blocker = check_run(app, run_id, image=image).blocker
    if blocker is None:
        return True
    finalize_run(
        app,
        run_id,
        name=run_name(app.storage, run_id),
        status="failed",
        reason=blocker.message,
        remedy=blocker.remedy,
        code=ErrorCode.POOL_UNUSABLE,
        next_step=NextStep.ASK_OPERATOR,
    )
    return False


def _terminate_job_of_ended_run(app: App, run_id: str, number: int) -> None:
    """Terminate the job if the run ended while the job was being created: the finalizer may not have seen it."""
    if app.storage.runs.exists(RunPaths(run_id).outcome):
        app.batch.terminate_job(ids.job_id(run_id, number), "run has ended")


def _ensure_tasks_in_job(app: App, run_id: str, works: list[ids.Work], number: int, plan: Plan | None) -> bool:
    """Ensure tasks in one job; return False if the job is closed."""
    job_id, image = ids.job_id(run_id, number), node_image(app, plan)
    if not app.batch.ensure_job(job_id, correlation_id=run_id, priority=_first_priority(plan)):
        return False
    attempts = attempts_by_work(app.batch.tasks(job_id))
    new_tasks: list[TaskSpec] = []
    for work in works:
        attempt, latest = attempts.get(work, [(0, None)])[-1]
        if not _ensure_active(app, job_id, latest):
            new_tasks.append(_task_spec(app, run_id, work, attempt + 1, image))
    return not new_tasks or app.batch.add_tasks(job_id, new_tasks) is not SubmitResult.JOB_CLOSED


def _ensure_active(app: App, job_id: str, latest: TaskView | None) -> bool:
    """Return whether the latest attempt is active or could be reactivated."""
    if latest is None:
        return False
    if latest.is_active or latest.succeeded:
        return latest.is_active
    if app.batch.reactivate(job_id, latest.task_id):
        return True
    # Rejected: the job is closed, or another handler has just reactivated the task.
    return any(task.is_active for task in app.batch.tasks(job_id) if task.task_id == latest.task_id)


def prioritize_job(app: App, state: RunState, job_id: str, *, pending: int) -> bool:
    """Give a job of the run the priority that its pending tasks and its age make; return whether it accepts tasks."""
    job, now = app.batch.job(job_id), app.clock.now()
    if job is None or not job.is_open:
        return False
    priority = job_priority(pending, now - state.start_of_limit(now))
    if job.priority != priority:
        app.batch.set_priority(job_id, priority)
    return True


def _first_priority(plan: Plan | None) -> int:
    """Return the priority of a new job; a run without a plan has one task, which splits its video."""
    return job_priority(plan.batch_count if plan else 1, dt.timedelta())


def _task_spec(app: App, run_id: str, work: ids.Work, attempt: int, image: str) -> TaskSpec:
    return task_spec(
        run_id, work, attempt=attempt, image=image, settings=app.settings, environment=app.task_environment
    )
