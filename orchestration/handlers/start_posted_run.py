"""Handler of POST /api/runs: the same as a new trigger file, without the file. Safe to call repeatedly."""

from frame_tools.contracts import ids
from frame_tools.contracts.answers import StartedRun
from frame_tools.contracts.calls import StartRun
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.storage.blobs import sha256_of
from orchestration.app import App
from orchestration.handlers.start_run import accept_run


def start_posted_run(app: App, posted: StartRun) -> StartedRun:
    """Accept a run and let the queue continue it; the same name and options are the same run, however often posted.

    The options take the place of a trigger file's ETag in the id of the run. If this process dies before it has sent
    the message, the sweep admits the run.
    """
    blob, digest = f"{posted.name}{ids.TRIGGER_SUFFIX}", sha256_of(posted.options.dumps())
    run_id = ids.run_id_for(blob, digest)
    is_new = not app.storage.runs.exists(RunPaths(run_id).request)
    if is_new:
        is_new = accept_run(
            app,
            Request(
                run_id=run_id,
                name=posted.name,
                trigger_blob=blob,
                trigger_etag=digest,
                trigger=posted.options.with_source,
                folder=posted.options.input or posted.name,
                received_at=app.clock.now().isoformat(),
                correlation_id=run_id,
            ),
        )
    app.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="advance"))
    return StartedRun(run_id=run_id, name=posted.name, created=is_new)
