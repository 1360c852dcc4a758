"""Handler of "this step has finished": count it and, once all batches may be complete, advance the run."""

from typing import Final

from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.telemetry.metrics import FRAMES_DONE
from orchestration.app import App
from orchestration.delays import recorded_delay
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.runs.advance import advance

RECORD_BYTES: Final = 16
"""Length of one record of the completion log."""


def finish_batch(app: App, text: str) -> None:
    """Handle one message of the queue `finished-batches`. The message is a hint; receipts are the truth."""
    try:
        message = BatchMessage.parse(text)
    except InputError as error:
        dead_letter_message(app, paths.FINISHED_BATCHES, text, error)
        return
    with recorded_delay(app, message.run_id):
        if not isinstance(message.batch, int) or _may_be_last(app, message.run_id, message.batch):
            advance(app, message.run_id)


def _may_be_last(app: App, run_id: str, batch: int) -> bool:
    """Append to the completion log; return whether it now has at least as many records as there are scored batches.

    An append is atomic and returns the offset, so of N messages only the N-th and later ones read the receipts.
    Duplicates make the count too high, never too low: they cost a read of the receipts, never a batch. If the process
    dies here, the queue delivers the message again.
    """
    try:
        plan = app.plans.find(app.storage, run_id)
    except DamagedError:
        plan = None
    if plan is None:
        return True  # it is made again
    _record_frames_done(app, plan, batch)
    try:
        offset = app.storage.runs.append(
            RunPaths(run_id).completion_log, f"{ids.step_name(batch):<{RECORD_BYTES - 1}}\n".encode()
        )
    except HttpResponseError as error:
        if error.status_code == 409:  # the log is full (50,000 blocks): every message reads the receipts from now on
            return True
        raise
    return offset // RECORD_BYTES + 1 >= len(plan.scored)


def _record_frames_done(app: App, plan: Plan, batch: int) -> None:
    if batch < plan.batch_count:
        start, end = plan.span(batch)
        app.metrics.record(FRAMES_DONE, end - start)
