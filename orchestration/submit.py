"""The message "do this step": place its Batch task, unless the run has ended or the step is done."""

import logging

from frame_tools import names
from frame_tools.blobs import Blob
from frame_tools.errors import InputError
from frame_tools.messages import BatchMessage, parse_message
from frame_tools.plan import Plan
from orchestration.app import App
from orchestration.ending import end_jobs
from orchestration.placing import place_first
from orchestration.strays import set_aside

log = logging.getLogger(__name__)


def submit_batch(app: App, text: str) -> None:
    """Handle one message of the queue `frame-batches`."""
    try:
        message = parse_message(text)
    except InputError as error:
        set_aside(app, names.FRAME_BATCHES, text, error)
        return
    if message.batch == "look":
        return
    if is_settled(app, message):
        if app.storage.runs.exists(names.outcome(message.run_id)):
            end_jobs(app, message.run_id, "run has ended")  # this message's first handler may have died making one
        return
    plan = app.storage.runs.read(names.plan(message.run_id))
    if isinstance(message.batch, int) and not is_planned(plan, message.batch):
        stranger = InputError(f"{message.run_id} has no batch {message.batch}", "Name one of its plan")
        set_aside(app, names.FRAME_BATCHES, text, stranger)
        return
    place_first(app, message.run_id, message.batch)


def is_planned(plan: Blob | None, batch: int) -> bool:
    """Whether the plan has such a batch."""
    return plan is not None and batch < Plan.loads(plan.data, "plan").batch_count


def is_settled(app: App, message: BatchMessage) -> bool:
    """Whether the step needs no task: done, failed for good, or its run has ended or never was."""
    runs, run_id = app.storage.runs, message.run_id
    if not runs.exists(names.request(run_id)):
        log.warning("a message names the run %s, which does not exist", run_id)
        return True
    done = names.receipt(run_id, message.batch) if isinstance(message.batch, int) else names.split_receipt(run_id)
    marks = [names.outcome(run_id), names.cancelled(run_id), names.failure(run_id, message.step)]
    if message.batch != "join":
        marks.append(done)
    return any(runs.exists(mark) for mark in marks)
