"""From a trigger blob to an accepted request, or to a refusal in words. Called for every announcement of the blob."""

import logging

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ImpastoError, InputError, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES, Trigger, load_trigger
from frame_tools.storage.blobs import Blob
from orchestration.app import App, now
from orchestration.runs import finalize
from orchestration.runs.advance import advance

log = logging.getLogger(__name__)


def start_run(app: App, trigger_blob: str) -> str | None:
    """Start the run that the trigger blob asks for; returns its id, or None if the blob is gone again.

    `trigger_blob` is the name inside `triggers`. The blob is read here, and the ETag of that very answer counts:
    an event may bring none, or an old one.
    """
    blob = app.storage.triggers.read(trigger_blob, limit=MAX_TRIGGER_BYTES)
    if blob is None:
        log.warning("the trigger %s is gone", trigger_blob)
        return None
    run_id = ids.run_id_for(trigger_blob, blob.etag)
    name = trigger_blob.removesuffix(ids.TRIGGER_SUFFIX)[:300]
    try:
        trigger = read_trigger(trigger_blob, blob)
    except InputError as error:
        refuse(app, run_id, name=name, error=error)
        return run_id
    open_run(
        app,
        Request(
            run_id=run_id,
            name=name,
            trigger_blob=trigger_blob,
            trigger_etag=blob.etag,
            trigger=trigger,
            folder=trigger.input or name,
            received_at=now().isoformat(),
            correlation_id=run_id,
        ),
    )
    return run_id


def read_trigger(trigger_blob: str, blob: Blob) -> Trigger:
    """Check the trigger's name and content; raises InputError."""
    if not trigger_blob.endswith(ids.TRIGGER_SUFFIX):
        raise InputError(
            f"The trigger file {trigger_blob[:60]!r} does not end with .json", "Name it <name of the run>.json"
        )
    ids.check_name(trigger_blob.removesuffix(ids.TRIGGER_SUFFIX), "trigger's name")
    return load_trigger(blob.data)


def open_run(app: App, request: Request) -> None:
    """Write the request (the first writer's stays), mark the run open unless it has ended, and go on with it.

    The mark goes first, so that the sweep finds a run whose maker died here. The sweep takes a mark without a request
    away; should it do so just now, `advance` makes it again.
    """
    runs = app.storage.runs
    if not runs.exists(RunPaths(request.run_id).outcome):
        runs.create(RunPaths(request.run_id).open_mark, b"")
        runs.create(RunPaths(request.run_id).request, request.dumps())
    advance(app, request.run_id)


def refuse(app: App, run_id: str, *, name: str, error: ImpastoError) -> None:
    """End a run before it began: status `refused`, with the reason and the remedy."""
    log.warning("run %s refused: %s", run_id, error)
    finalize.end(
        app,
        run_id,
        name=name,
        status="refused",
        reason=error.what,
        remedy=error.remedy,
        code=error.code,
        next_step=NextStep.START_NEW_RUN,
    )
