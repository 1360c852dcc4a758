"""Handlers of the poison queues: the step or run that a message names fails with a reason; invalid ones are stored.

The sweep would detect the loss as well, but later; these handlers report it at once.
"""

import json
import logging

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, InputError, NextStep, VersionSkewError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration.app import App
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.preflight import check_pool
from orchestration.runs.advance import advance
from orchestration.runs.finalize import finalize_run
from orchestration.state import RunState, UnreadableRun, read_state, write_failure

_log = logging.getLogger(__name__)


def batch_poisoned(app: App, text: str) -> None:
    """Fail the step whose Batch task `submit_batch` could not create in any of its attempts."""
    try:
        message = BatchMessage.parse(text)
    except (InputError, VersionSkewError) as error:
        dead_letter_message(app, paths.FRAME_BATCHES_POISON, text, error)
        return
    problems = "; ".join(check_pool(app).problems)
    reason = problems or f"no Batch task could be created for the step {message.step}"
    if is_readable(app, message.run_id) and app.storage.runs.exists(RunPaths(message.run_id).request):
        write_failure(
            app.storage,
            Failure(
                run_id=message.run_id,
                step=message.step,
                reason=reason,
                remedy="Check the log of the function submit_batch and fix the cause.",
                code=ErrorCode.TASK_NOT_CREATED,
                next_step=NextStep.ASK_OPERATOR,
                failed_at=app.clock.now().isoformat(),
            ),
        )
        advance(app, message.run_id)


def finish_poisoned(app: App, text: str) -> None:
    """Fail the run that `finish_batch` could not complete in any of its attempts."""
    try:
        message = BatchMessage.parse(text)
    except (InputError, VersionSkewError) as error:
        dead_letter_message(app, paths.FINISHED_BATCHES_POISON, text, error)
        return
    if not is_readable(app, message.run_id):
        return
    state = read_state(app.storage, message.run_id)
    if isinstance(state, UnreadableRun) or (state is not None and state.product is not None):
        advance(app, message.run_id)  # it cannot go on, or the product is committed and only bookkeeping is left
    elif state is not None:
        finalize_run(
            app,
            message.run_id,
            name=state.request.name,
            status="failed",
            reason="The run could not be completed after five attempts",
            remedy="Check the log of the function finish_batch, fix the cause, then resubmit what is missing",
            code=ErrorCode.RUN_NOT_COMPLETED,
            next_step=NextStep.RESUBMIT,
            is_still_valid=lambda: _is_unchanged(app, state),
        )
        advance(app, message.run_id)


def is_readable(app: App, run_id: str) -> bool:
    """Return whether this version of Impasto can read the run's documents.

    If a newer version wrote them (an upgrade is in progress), the handlers failed for that reason only: the run stays
    open, and the sweep continues it after the upgrade.
    """
    state = read_state(app.storage, run_id)
    if state is not None and state.skew is not None:
        _log.warning("run %s stays open: %s", run_id, state.skew)
        return False
    return True


def _is_unchanged(app: App, earlier: RunState) -> bool:
    """Return whether the run has been neither completed nor resubmitted since `earlier` was read."""
    state = read_state(app.storage, earlier.run_id)
    return isinstance(state, RunState) and state.product is None and state.resumed_at == earlier.resumed_at


def trigger_poisoned(app: App, text: str) -> None:
    """Record a failed run for a trigger blob on which `start_run` failed in all its attempts.

    The message's ETag counts, if it has one: a trigger file that has been uploaded again since then is another run.
    """
    reference = _parse_host_message(text)
    blob = app.storage.triggers.read(reference[0]) if reference else None
    if reference is None or blob is None:
        error = InputError("The message names no existing trigger file", "Upload the trigger file again")
        dead_letter_message(app, paths.BLOB_TRIGGER_POISON, text, error)
        return
    blob_name, etag = reference
    run_id = ids.run_id_for(blob_name, etag or blob.etag)
    if not is_readable(app, run_id):
        return
    finalize_run(
        app,
        run_id,
        name=blob_name.removesuffix(ids.TRIGGER_SUFFIX),
        status="failed",
        reason="The run could not be started after five attempts",
        remedy="Check the log of the function start_run, fix the cause, then upload the trigger file again",
        code=ErrorCode.RUN_NOT_STARTED,
        next_step=NextStep.START_NEW_RUN,
    )


def _parse_host_message(text: str) -> tuple[str, str] | None:
    """Return blob name and ETag of the host's message {"ContainerName", "BlobName", …}, or None for any other text."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("ContainerName") != paths.TRIGGERS:
        return None
    name, etag = message.get("BlobName"), message.get("ETag")
    return (name, str(etag or "")) if isinstance(name, str) and name else None
