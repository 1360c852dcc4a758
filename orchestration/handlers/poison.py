"""What ended in a poison queue: the step or run it names is ended as failed, with the reason; strays are kept.

The sweep would find the loss too, later; here it is known at once.
"""

import json
import logging

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, InputError, NextStep, VersionSkewError
from frame_tools.contracts.messages import parse_message
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration import preflight
from orchestration.app import App, now
from orchestration.handlers.dead_letter import set_aside
from orchestration.runs import finalize
from orchestration.runs.advance import advance
from orchestration.state import RunState, read_state, write_failure

_log = logging.getLogger(__name__)


def batch_poisoned(app: App, text: str) -> None:
    """Handle a message that `submit_batch` could not place in all its tries: its step has failed."""
    try:
        message = parse_message(text)
    except (InputError, VersionSkewError) as error:
        set_aside(app, paths.FRAME_BATCHES_POISON, text, error)
        return
    trouble = "; ".join(preflight.look_at_pool(app).trouble)
    reason = trouble or f"no Batch task could be made for step {message.step}"
    if is_readable(app, message.run_id) and app.storage.runs.exists(RunPaths(message.run_id).request):
        write_failure(
            app.storage,
            Failure(
                run_id=message.run_id,
                step=message.step,
                reason=reason,
                remedy="Look at the function app's log for the cause, mend it.",
                code=ErrorCode.TASK_NOT_CREATED,
                next_step=NextStep.ASK_OPERATOR,
                failed_at=now().isoformat(),
            ),
        )
        advance(app, message.run_id)


def finish_poisoned(app: App, text: str) -> None:
    """Handle a message on which `finish_batch` failed in all its tries: the run can't be completed as it is."""
    try:
        message = parse_message(text)
    except (InputError, VersionSkewError) as error:
        set_aside(app, paths.FINISHED_BATCHES_POISON, text, error)
        return
    if not is_readable(app, message.run_id):
        return
    state = read_state(app.storage, message.run_id)
    if state is not None and state.product is not None:
        advance(app, message.run_id)  # only the bookkeeping after the commit is left
    elif state is not None:
        finalize.end(
            app,
            message.run_id,
            name=state.request.name,
            status="failed",
            reason="Completing the run failed again and again",
            remedy="Look at the log of the function finish_batch for the cause, mend it, then resubmit what is missing",
            code=ErrorCode.RUN_NOT_COMPLETED,
            next_step=NextStep.RESUBMIT,
            still=lambda: _nothing_better(app, state),
        )
        advance(app, message.run_id)


def is_readable(app: App, run_id: str) -> bool:
    """Whether this version of Impasto can read the run's documents.

    If a newer one wrote them (an upgrade is under way), the handlers failed for that reason only: the run stays open,
    and the sweep continues it after the upgrade.
    """
    try:
        read_state(app.storage, run_id)
    except VersionSkewError as error:
        _log.warning("run %s stays open: %s", run_id, error)
        return False
    return True


def _nothing_better(app: App, seen: RunState) -> bool:
    """Whether the run has neither been completed nor resubmitted since it was seen."""
    state = read_state(app.storage, seen.run_id)
    return state is not None and state.product is None and state.resumed_at == seen.resumed_at


def trigger_poisoned(app: App, text: str) -> None:
    """Handle a trigger blob on which `start_run` failed in all its tries: there is a run, and it has failed.

    The ETag is the message's, where it says one: a trigger that was put again since then is another run.
    """
    said = _said(text)
    blob = app.storage.triggers.read(said[0]) if said else None
    if said is None or blob is None:
        error = InputError("The message names no trigger file that exists", "Put the trigger file again")
        set_aside(app, paths.BLOB_TRIGGER_POISON, text, error)
        return
    blob_name, etag = said
    run_id = ids.run_id_for(blob_name, etag or blob.etag)
    if not is_readable(app, run_id):
        return
    finalize.end(
        app,
        run_id,
        name=blob_name.removesuffix(ids.TRIGGER_SUFFIX),
        status="failed",
        reason="The run could not be started in five tries",
        remedy="Look at the log of the function start_run for the cause, mend it, then put the trigger file again",
        code=ErrorCode.RUN_NOT_STARTED,
        next_step=NextStep.START_NEW_RUN,
    )


def _said(text: str) -> tuple[str, str] | None:
    """Read blob and ETag out of the host's own message {"ContainerName", "BlobName", …}; None for any other text."""
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("ContainerName") != paths.TRIGGERS:
        return None
    name, etag = message.get("BlobName"), message.get("ETag")
    return (name, str(etag or "")) if isinstance(name, str) and name else None
