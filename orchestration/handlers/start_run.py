"""Handler of the blob trigger: a trigger file becomes an accepted request or a refused run. Safe to call repeatedly."""

import logging

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ImpastoError, InputError, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES, Trigger, parse_trigger
from frame_tools.storage.blobs import Blob
from frame_tools.storage.recorded_hashes import record_hash
from orchestration.app import App
from orchestration.reporting.run_index import accepted_row, write_entry
from orchestration.runs.advance import advance
from orchestration.runs.finalize import finalize_run

_log = logging.getLogger(__name__)


def start_run(app: App, trigger_blob: str) -> str | None:
    """Start the run of a trigger file; return its id, or None if the blob no longer exists.

    `trigger_blob` is the name inside `triggers`. The blob is read here and the ETag of that response counts: an event
    may carry no ETag or an old one.
    """
    blob = app.storage.triggers.read(trigger_blob, limit=MAX_TRIGGER_BYTES)
    if blob is None:
        _log.warning("the trigger file %s no longer exists", trigger_blob)
        return None
    run_id = ids.run_id_for(trigger_blob, blob.etag)
    name = trigger_blob.removesuffix(ids.TRIGGER_SUFFIX)[:300]
    try:
        trigger = read_trigger(trigger_blob, blob)
    except InputError as error:
        refuse_run(app, run_id, name=name, error=error)
        return run_id
    open_run(
        app,
        Request(
            run_id=run_id,
            name=name,
            trigger_blob=trigger_blob,
            trigger_etag=blob.etag,
            trigger=trigger.with_source,
            folder=trigger.input or name,
            received_at=app.clock.now().isoformat(),
            correlation_id=run_id,
        ),
    )
    return run_id


def read_trigger(trigger_blob: str, blob: Blob) -> Trigger:
    """Validate the trigger file's name and content. Raises InputError."""
    if not trigger_blob.endswith(ids.TRIGGER_SUFFIX):
        raise InputError(
            f"The trigger file {trigger_blob[:60]!r} does not end with .json", "Name it <name of the run>.json"
        )
    ids.check_name(trigger_blob.removesuffix(ids.TRIGGER_SUFFIX), "trigger's name")
    return parse_trigger(blob.data)


def open_run(app: App, request: Request) -> None:
    """Write the request (the first writer wins), mark the run open unless it has ended, and advance it.

    The mark is written first, so that the sweep finds a run whose creator died here. The sweep deletes a mark without
    a request; if it does so at this very moment, `advance` creates the mark again.
    """
    accept_run(app, request)
    advance(app, request.run_id)


def accept_run(app: App, request: Request) -> bool:
    """Write mark and request of a run that has not ended; return whether this call wrote the request."""
    runs = app.storage.runs
    if runs.exists(RunPaths(request.run_id).outcome):
        return False
    runs.create(RunPaths(request.run_id).open_mark, b"")
    record_hash(app.storage, request)
    is_new = runs.create(RunPaths(request.run_id).request, request.dumps())
    if is_new:
        write_entry(app.storage, accepted_row(request))
    return is_new


def refuse_run(app: App, run_id: str, *, name: str, error: ImpastoError) -> None:
    """End a run before it began: status `refused`, with reason and remedy."""
    _log.warning("run %s refused: %s", run_id, error)
    finalize_run(
        app,
        run_id,
        name=name,
        status="refused",
        reason=error.what,
        remedy=error.remedy,
        code=error.code,
        next_step=NextStep.START_NEW_RUN,
    )
