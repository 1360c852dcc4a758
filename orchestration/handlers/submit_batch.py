"""The message "do this step": place its Batch task, unless the run has ended or the step is done."""

import logging

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.messages import BatchMessage, parse_message
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from orchestration.app import App, node_image
from orchestration.handlers.dead_letter import set_aside
from orchestration.runs.finalize import end_jobs
from orchestration.runs.scheduling import place_first

log = logging.getLogger(__name__)


def submit_batch(app: App, text: str) -> None:
    """Handle one message of the queue `frame-batches`."""
    try:
        message = parse_message(text)
    except InputError as error:
        set_aside(app, paths.FRAME_BATCHES, text, error)
        return
    if message.batch == "look":
        return
    if is_settled(app, message):
        if app.storage.runs.exists(RunPaths(message.run_id).outcome):
            end_jobs(app, message.run_id, "run has ended")  # this message's first handler may have died making one
        return
    blob = app.storage.runs.read(RunPaths(message.run_id).plan)
    plan = Plan.load_stored(blob.data) if blob else None
    if isinstance(message.batch, int) and (plan is None or message.batch >= plan.batch_count):
        stranger = InputError(f"{message.run_id} has no batch {message.batch}", "Name one of its plan")
        set_aside(app, paths.FRAME_BATCHES, text, stranger)
        return
    place_first(app, message.run_id, message.batch, image=node_image(app, plan))


def is_settled(app: App, message: BatchMessage) -> bool:
    """Whether the step needs no task: done, failed for good, or its run has ended or never was."""
    runs, run_id = app.storage.runs, message.run_id
    if not runs.exists(RunPaths(run_id).request):
        log.warning("a message names the run %s, which does not exist", run_id)
        return True
    done = RunPaths(run_id).receipt(message.batch) if isinstance(message.batch, int) else RunPaths(run_id).split_receipt
    marks = [RunPaths(run_id).outcome, RunPaths(run_id).cancelled, RunPaths(run_id).failure(message.step)]
    if message.batch != "join":
        marks.append(done)
    return any(runs.exists(mark) for mark in marks)
