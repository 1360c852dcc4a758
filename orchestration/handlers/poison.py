"""Handlers of the poison queues: they record why a run is delayed, and the sweep decides; invalid messages are stored.

Five attempts within a minute prove nothing about a service that is away for longer. Therefore no run ends here, unless
it could not be started for a reason that does not pass.
"""

import json
import logging
from http import HTTPStatus
from typing import Final

from azure.core.exceptions import HttpResponseError

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, InputError, NextStep, TemporaryError, VersionSkewError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlobInfo
from orchestration.app import App
from orchestration.delays import Delay, read_delay, record_delay
from orchestration.handlers.dead_letter import dead_letter_message
from orchestration.handlers.start_run import start_run
from orchestration.runs.finalize import finalize_run
from orchestration.service_errors import describe_error, is_passing

_log = logging.getLogger(__name__)

MAX_BLOB_NAME_CHARS: Final = 1024
"""Limit of the service; a request for a longer name fails."""


def batch_poisoned(app: App, text: str) -> None:
    """Record that `submit_batch` could not create a step's task in five attempts; the sweep tries again."""
    try:
        message = BatchMessage.parse(text)
    except (InputError, VersionSkewError) as error:
        dead_letter_message(app, paths.FRAME_BATCHES_POISON, text, error)
        return
    cause = read_delay(app.storage, message.run_id)
    what = f"No Batch task could be created for the step {message.step} in five attempts"
    _record(app, message.run_id, TemporaryError(*_with_cause(what, cause), code=ErrorCode.TASK_NOT_CREATED))


def finish_poisoned(app: App, text: str) -> None:
    """Record that `finish_batch` could not complete the run in five attempts; the sweep tries again."""
    try:
        message = BatchMessage.parse(text)
    except (InputError, VersionSkewError) as error:
        dead_letter_message(app, paths.FINISHED_BATCHES_POISON, text, error)
        return
    cause = read_delay(app.storage, message.run_id)
    what = "The run could not be advanced in five attempts"
    _record(app, message.run_id, TemporaryError(*_with_cause(what, cause), code=ErrorCode.RUN_NOT_COMPLETED))


def _with_cause(what: str, cause: Delay | None) -> tuple[str, str]:
    """Return what happened, with the error that the handler recorded as the cause, and what to do."""
    if cause is None:
        return what, "Wait: it is tried again; if that does not help, see the log of the Function App"
    return f"{what}: {cause.reason}", cause.remedy


def _record(app: App, run_id: str, error: TemporaryError) -> None:
    """Record an error as the reason of the delay of a run that is open."""
    if app.storage.runs.exists(RunPaths(run_id).open_mark):
        record_delay(app, run_id, error)


def trigger_poisoned(app: App, text: str) -> None:
    """Start the run of a trigger file on which `start_run` failed five times.

    While the cause passes by itself, this fails too, and the host delivers the message again. For any other cause the
    run is recorded as failed. The message's ETag counts, if it has one: a trigger file that has been uploaded again
    since then is another run.
    """
    reference = _parse_host_message(text)
    blob = _find_trigger_file(app, reference[0]) if reference else None
    if reference is None or blob is None:
        error = InputError("The message names no existing trigger file", "Upload the trigger file again")
        dead_letter_message(app, paths.BLOB_TRIGGER_POISON, text, error)
        return
    blob_name, etag = reference
    run_id = ids.run_id_for(blob_name, etag or blob.etag)
    if etag and etag != blob.etag:
        _fail_unstarted_run(app, run_id, blob_name, cause="the trigger file has been replaced since")
        return
    try:
        start_run(app, blob_name)
    except Exception as error:  # its kind decides below whether the run ends or the message stays
        if app.storage.runs.exists(RunPaths(run_id).request):
            return  # it has started, and the sweep continues it
        if is_passing(error):
            raise
        _log.exception("run %s cannot be started", run_id)
        _fail_unstarted_run(app, run_id, blob_name, cause=describe_error(error).what)


def _find_trigger_file(app: App, blob_name: str) -> BlobInfo | None:
    """Return a trigger file; None if it does not exist or the service refuses the name."""
    try:
        return app.storage.triggers.info(blob_name)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    except HttpResponseError as error:
        if error.status_code == HTTPStatus.BAD_REQUEST:
            return None
        raise


def _fail_unstarted_run(app: App, run_id: str, blob_name: str, *, cause: str) -> None:
    """End a run that `start_run` could not start."""
    finalize_run(
        app,
        run_id,
        name=blob_name.removesuffix(ids.TRIGGER_SUFFIX),
        status="failed",
        reason=f"The run could not be started: {cause}",
        remedy="Upload the trigger file again to start a new run; if that fails, see the log of the function start_run",
        code=ErrorCode.RUN_NOT_STARTED,
        next_step=NextStep.START_NEW_RUN,
    )


def _parse_host_message(text: str) -> tuple[str, str] | None:
    """Return blob name and ETag of the host's message {"ContainerName", "BlobName", …}, or None for any other text."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("ContainerName") != paths.TRIGGERS:
        return None
    name, etag = message.get("BlobName"), message.get("ETag")
    return (name, str(etag or "")) if isinstance(name, str) and 0 < len(name) <= MAX_BLOB_NAME_CHARS else None
