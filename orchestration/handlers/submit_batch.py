"""Handler of "execute these steps": create their Batch tasks, unless the run has ended or the steps are done."""

import logging

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.settled import settled_batches
from orchestration.app import App
from orchestration.delays import recorded_delay
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.runs.advance import advance
from orchestration.runs.finalize import terminate_jobs
from orchestration.runs.scheduling import submit_tasks
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
    """Create the tasks that the message names, unless they are not needed."""
    run_id = message.run_id
    if _has_ended(app, run_id):
        if app.storage.runs.exists(RunPaths(run_id).outcome):
            # An earlier delivery of this message may have died right after it created a job.
            terminate_jobs(app, run_id, "run has ended")
        return
    steps = pending_steps(app, message)
    if not steps:
        return
    if not any(True for _ in slots_held_by(app.storage, run_id)):
        # Only admitted runs have jobs, which bounds their number; the sweep submits the step once the run is admitted.
        _log.info("the run %s waits for a slot", run_id)
        return
    try:
        plan = app.plans.find(app.storage, run_id)
    except DamagedError:
        advance(app, run_id)  # the plan is made again, and its batches are queued again
        return
    if (batches := message.batches) is not None and (plan is None or batches.last >= plan.batch_count):
        unknown_batch = InputError(f"The run {run_id} has no batch {batches.last}", "Name batches of its plan")
        dead_letter_message(app, paths.FRAME_BATCHES, text, unknown_batch)
        return
    submit_tasks(app, run_id, steps, plan=plan)


def _has_ended(app: App, run_id: str) -> bool:
    """Return whether the run has ended, is about to, or is unknown."""
    runs, names = app.storage.runs, RunPaths(run_id)
    if not runs.exists(names.request):
        _log.warning("a message names the run %s, which does not exist", run_id)
        return True
    return runs.exists(names.outcome) or runs.exists(names.cancelled)


def pending_steps(app: App, message: BatchMessage) -> list[int | str]:
    """Return the steps of the message that are neither done nor failed permanently; costs at most two requests."""
    runs, names = app.storage.runs, RunPaths(message.run_id)
    if message.batches is None:
        marks = [names.failure(message.step), *([names.split_receipt] if message.batch == "split" else [])]
        return [] if any(runs.exists(mark) for mark in marks) else [str(message.batch)]
    done, failed = settled_batches(runs, message.run_id, message.batches)
    return [batch for batch in message.batches.numbers if batch not in done | failed]
