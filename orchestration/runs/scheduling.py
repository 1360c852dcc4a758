"""Put steps of a run onto Batch so that each has exactly one living task: used by queue, timer and resubmission.

A step's tasks are numbered by attempt. A living one is left alone, a failed one is reactivated (its retries start
anew), one that succeeded but left no receipt can't be used again and gets a successor. Batch refuses a second task of
the same id, so two handlers at once place one task. A job that takes no more tasks gets a successor, too.
"""

import logging
from collections.abc import Iterable

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.telemetry.logs import with_run_context
from orchestration.app import App, node_image
from orchestration.azure_batch.client import TaskView, steps_of
from orchestration.azure_batch.task_spec import TaskSpec, task_spec
from orchestration.preflight import check_run
from orchestration.runs import finalize

log = logging.getLogger(__name__)


def current_job(app: App, run_id: str) -> int:
    """Return the number of the run's newest Batch job; claims number 0 for a run that has none."""
    claims = [int(item.name.rsplit("/", 1)[1]) for item in app.storage.runs.list(RunPaths(run_id).jobs)]
    if claims:
        return max(claims)
    app.storage.runs.create(RunPaths(run_id).job_claim(0), b"")
    return 0


@with_run_context
def place_first(app: App, run_id: str, step: int | str, *, image: str) -> None:
    """Place a step that has most likely no task yet: one call where that is so."""
    if not _can_be_done(app, run_id, image):
        return
    number = current_job(app, run_id)
    job_id = ids.job_id(run_id, number)
    is_open = app.batch.ensure_job(job_id, correlation_id=run_id)
    if not is_open or app.batch.add_task(job_id, _spec(app, run_id, step, 1, image)) != "added":
        place(app, run_id, [step])
        return
    _end_if_over(app, run_id, number)


@with_run_context
def place(app: App, run_id: str, steps: Iterable[int | str]) -> None:
    """See to it that each of `steps` has a living task."""
    image = _image(app, run_id)
    if not _can_be_done(app, run_id, image):
        return
    number = current_job(app, run_id)
    wanted = list(steps)
    if not _place_in(app, run_id, wanted, number, image):
        app.storage.runs.create(RunPaths(run_id).job_claim(number + 1), b"")
        log.warning("run %s: job %d takes no more tasks, going on in job %d", run_id, number, number + 1)
        number += 1
        _place_in(app, run_id, wanted, number, image)
    _end_if_over(app, run_id, number)


def _can_be_done(app: App, run_id: str, image: str) -> bool:
    """Whether tasks can run on the pool at all; if no waiting will mend it, the run ends with the reason."""
    stop = check_run(app, run_id, image=image).stop
    if stop is None:
        return True
    request = Request.load_stored(app.storage.runs.need(RunPaths(run_id).request).data)
    finalize.end(
        app,
        run_id,
        name=request.name,
        status="failed",
        reason=stop.words,
        remedy=stop.remedy,
        code=ErrorCode.POOL_UNUSABLE,
        next_step=NextStep.ASK_OPERATOR,
    )
    return False


def _end_if_over(app: App, run_id: str, number: int) -> None:
    """End the job if the run ended while the job was being made: that ending may not have seen it."""
    if app.storage.runs.exists(RunPaths(run_id).outcome):
        app.batch.terminate_job(ids.job_id(run_id, number), "run has ended")


def _place_in(app: App, run_id: str, steps: list[int | str], number: int, image: str) -> bool:
    """Place steps in one job; returns False if the job is closed."""
    job_id = ids.job_id(run_id, number)
    if not app.batch.ensure_job(job_id, correlation_id=run_id):
        return False
    existing = steps_of(app.batch.tasks(job_id))
    fresh: list[TaskSpec] = []
    for step in steps:
        attempt, latest = existing.get(step, [(0, None)])[-1]
        if not _living(app, job_id, latest):
            fresh.append(_spec(app, run_id, step, attempt + 1, image))
    return not fresh or app.batch.add_tasks(job_id, fresh) != "job closed"


def _living(app: App, job_id: str, latest: TaskView | None) -> bool:
    """Whether the latest attempt lives, or has been brought back to life."""
    if latest is None:
        return False
    if latest.alive or latest.succeeded:
        return latest.alive
    if app.batch.reactivate(job_id, latest.task_id):
        return True
    # Refused: the job is closed, or another handler has just brought it back to life.
    return any(task.alive for task in app.batch.tasks(job_id) if task.task_id == latest.task_id)


def _image(app: App, run_id: str) -> str:
    """Return the container image of the run's tasks; raises VersionSkewError if the plan cannot be read."""
    blob = app.storage.runs.read(RunPaths(run_id).plan)
    return node_image(app, Plan.load_stored(blob.data) if blob else None)


def _spec(app: App, run_id: str, step: int | str, attempt: int, image: str) -> TaskSpec:
    return task_spec(
        run_id, step, attempt=attempt, image=image, settings=app.settings, environment=app.task_environment
    )
