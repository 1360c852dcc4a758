"""The writes of previews: attempts, and their jobs on Batch. Each of them may be repeated at any time.

An attempt holds a place from before its claim until it has ended, so that the sweep finds every attempt whose creator
died on the way; the claim comes before the job.
"""

import logging
import re
from functools import partial
from typing import Final

from frame_tools.contracts.errors import DamagedError, ErrorCode, MissingError, NextStep
from frame_tools.contracts.preview_paths import PREVIEW_ID
from frame_tools.contracts.preview_task import PreviewEnding
from orchestration.app import App
from orchestration.azure_batch.task_spec import preview_task_spec
from orchestration.preflight import check_pool
from orchestration.previews.decide import TIME_LIMIT, Standing, decide
from orchestration.previews.slots import free_slots, read_slots, take_slot
from orchestration.previews.state import PreviewState, read_state, read_task

_log = logging.getLogger(__name__)
PRIORITY: Final = 1000
"""Somebody is waiting in front of a screen: as soon as a node is free, it paints a preview first."""
_JOB_ID: Final = re.compile(rf"({PREVIEW_ID.pattern})-([0-9]{{1,4}})")


def begin_attempt(app: App, state: PreviewState) -> PreviewState:
    """Claim the next attempt; if another handler has just done so, it is the same one.

    Raises TemporaryError if all places are taken.
    """
    number = state.attempt + 1
    _take_slot(app, state.paths.job_id(number))
    if not app.storage.runs.exists(state.paths.attempt(number)):
        # Pictures may be gone whose result is still there; with it, the task would have nothing to do.
        app.storage.work.delete(state.paths.result)
    app.storage.runs.create(state.paths.attempt(number), app.clock.now().isoformat().encode())
    return need_state(app, state.preview_id)


def submit(app: App, state: PreviewState) -> Standing:
    """Ensure that the open attempt has its place, its job and its task; return how far it is.

    Raises TemporaryError if all places are taken, or Batch does not answer: the sweep goes on later.
    """
    job_id = state.paths.job_id(state.attempt)
    _take_slot(app, job_id)
    blocker = check_pool(app, image=app.settings.node_image).blocker
    if blocker is not None:
        standing = Standing(
            status="failed",
            reason=blocker.message,
            remedy=blocker.remedy,
            code=ErrorCode.POOL_UNUSABLE,
            next_step=NextStep.ASK_OPERATOR,
        )
        end_attempt(app, state, standing)
        return standing
    app.batch.ensure_job(job_id, correlation_id=state.preview_id, priority=PRIORITY, limit=TIME_LIMIT)
    environment = app.task_environment
    app.batch.add_task(
        job_id, preview_task_spec(state.preview_id, state.attempt, settings=app.settings, environment=environment)
    )
    return settle(app, need_state(app, state.preview_id))


def settle(app: App, state: PreviewState) -> Standing:
    """End the newest attempt if it has nothing left to do; return how far it is.

    Raises TemporaryError if Batch does not answer.
    """
    standing = decide(state, read_task(app, state), app.clock.now(), is_local=app.settings.batch_is_local)
    if standing.has_ended:
        end_attempt(app, state, standing)
    return standing


def end_attempt(app: App, state: PreviewState, standing: Standing) -> None:
    """Record why an attempt failed, then terminate its job, then free its place."""
    if standing.code is not None and standing.next_step is not None:
        ending = PreviewEnding(
            reason=standing.reason,
            remedy=standing.remedy,
            code=standing.code,
            next_step=standing.next_step,
            ended_at=app.clock.now().isoformat(),
        )
        if app.storage.runs.create(state.paths.ending(state.attempt), ending.dumps()):
            _log.warning("%s failed: %s", state.preview_id, standing.reason)
    job_id = state.paths.job_id(state.attempt)
    app.batch.terminate_job(job_id, "the preview has ended")
    free_slots(app, job_id)


def sweep_previews(app: App) -> None:
    """Go on with every attempt that holds a place: end what has ended, submit what was not submitted."""
    errors: list[Exception] = []
    for slot, job_id in read_slots(app).items():
        try:
            state = _free_if_ended(app, slot, job_id)
            if state is not None and read_task(app, state) is None:
                submit(app, state)
        except Exception as error:  # the others must still be swept
            _log.exception("the sweep of the preview %s failed", job_id)
            errors.append(error)
    if errors:
        raise ExceptionGroup("the sweep failed for some previews", errors)


def _take_slot(app: App, job_id: str) -> None:
    take_slot(app, job_id, partial(_free_if_ended, app))


def _free_if_ended(app: App, slot: str, job_id: str) -> PreviewState | None:
    """Free a place unless the attempt that holds it goes on; return the state of that."""
    state = _state_of_job(app, job_id)
    if state is None:
        # A handler that is about to claim this attempt takes a place again before it creates the job.
        app.storage.runs.delete(slot)
        return None
    return None if settle(app, state).has_ended else state


def _state_of_job(app: App, job_id: str) -> PreviewState | None:
    """Return the state of the preview whose newest attempt has this job; None if there is none."""
    match = _JOB_ID.fullmatch(job_id)
    try:
        state = read_state(app, match[1]) if match else None
    except DamagedError:
        return None
    return state if state is not None and match is not None and state.attempt == int(match[2]) else None


def need_state(app: App, preview_id: str) -> PreviewState:
    """Return the state of a preview; raises MissingError if it was never ordered."""
    state = read_state(app, preview_id)
    if state is None:
        raise MissingError(f"There is no preview {preview_id}", "POST /api/previews orders one")
    return state
