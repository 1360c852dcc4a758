"""The message "this step has ended": count it, and when the last one may be in, take the run further."""

from typing import Final

from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.messages import parse_message
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.telemetry.metrics import FRAMES_DONE
from orchestration.app import App
from orchestration.handlers.dead_letter import set_aside
from orchestration.runs.advance import advance

RECORD_BYTES: Final = 16


def finish_batch(app: App, text: str) -> None:
    """Handle one message of the queue `finished-batches`. The message is a hint; receipts are the truth."""
    try:
        message = parse_message(text)
    except InputError as error:
        set_aside(app, paths.FINISHED_BATCHES, text, error)
        return
    if not isinstance(message.batch, int) or _may_be_last(app, message.run_id, message.batch):
        advance(app, message.run_id)


def _may_be_last(app: App, run_id: str, batch: int) -> bool:
    """Append to the completion log; whether there are now as many records as batches to be scored.

    An append is atomic and says how many records stood before it, so of N messages only the N-th and later ones
    look at the receipts. Duplicates make the count too high, never too low: they cost a look, not a batch. A message
    whose handler dies here comes again.
    """
    plan = app.storage.runs.read(RunPaths(run_id).plan)
    if plan is None:
        return True
    planned = Plan.load_stored(plan.data)
    _count_frames(app, planned, batch)
    batches = len(planned.scored)
    try:
        before = app.storage.runs.append(
            RunPaths(run_id).completion_log, f"{ids.step_name(batch):<{RECORD_BYTES - 1}}\n".encode()
        )
    except HttpResponseError as error:
        if error.status_code == 409:  # the log is full (50,000 blocks): then every message looks
            return True
        raise
    return before // RECORD_BYTES + 1 >= batches


def _count_frames(app: App, plan: Plan, batch: int) -> None:
    if batch < plan.batch_count:
        start, end = plan.span(batch)
        app.metrics.record(FRAMES_DONE, end - start)
