"""Handler of "execute this step": create its Batch task, unless the run has ended or the step is done."""

import logging

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.recorded_hashes import find_plan
from orchestration.app import App
from orchestration.delays import recorded_delay
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.runs.advance import advance
from orchestration.runs.finalize import terminate_jobs
from orchestration.runs.scheduling import submit_task
from orchestration.state import slots_held_by

_log = logging.getLogger(__name__)


def submit_batch(app: App, text: str) -> None:
    """Handle one message of the queue `frame-batches`."""
    try:
        message = BatchMessage.parse(text)
    except InputError as error:
        dead_letter_message(app, paths.FRAME_BATCHES, text, error)
        return
    if message.batch != "advance":
        with recorded_delay(app, message.run_id):
            _submit(app, message, text)


def _submit(app: App, message: BatchMessage, text: str) -> None:
    """Create the task that the message names, unless it is not needed."""
    if is_settled(app, message):
        if app.storage.runs.exists(RunPaths(message.run_id).outcome):
            # An earlier delivery of this message may have died right after it created a job.
            terminate_jobs(app, message.run_id, "run has ended")
        return
    if not any(True for _ in slots_held_by(app.storage, message.run_id)):
        # Only admitted runs have jobs, which bounds their number; the sweep submits the step once the run is admitted.
        _log.info("the run %s waits for a slot", message.run_id)
        return
    try:
        plan = find_plan(app.storage, message.run_id)
    except DamagedError:
        advance(app, message.run_id)  # the plan is made again, and its batches are queued again
        return
    if isinstance(message.batch, int) and (plan is None or message.batch >= plan.batch_count):
        unknown_batch = InputError(f"The run {message.run_id} has no batch {message.batch}", "Name a batch of its plan")
        dead_letter_message(app, paths.FRAME_BATCHES, text, unknown_batch)
        return
    submit_task(app, message.run_id, message.batch, plan=plan)


def is_settled(app: App, message: BatchMessage) -> bool:
    """Return whether the step needs no task: it is done or failed permanently, or its run has ended or is unknown."""
    runs, run_id = app.storage.runs, message.run_id
    if not runs.exists(RunPaths(run_id).request):
        _log.warning("a message names the run %s, which does not exist", run_id)
        return True
    marks = [RunPaths(run_id).outcome, RunPaths(run_id).cancelled, RunPaths(run_id).failure(message.step)]
    if isinstance(message.batch, int):
        marks.append(RunPaths(run_id).receipt(message.batch))
    elif message.batch == "split":
        marks.append(RunPaths(run_id).split_receipt)
    return any(runs.exists(mark) for mark in marks)
