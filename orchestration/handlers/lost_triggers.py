"""Trigger files without a run: their event was lost, or the app was away for longer than Event Grid repeats it.

A sweep lists one page of `triggers` and continues there next time. Only files written since the last complete pass
began are compared with the runs, by name and ETag and without reading them: a file whose run has ended and was deleted
is too old to start again.
"""

import datetime as dt
import logging
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlobInfo
from frame_tools.telemetry.logs import log_fields
from orchestration.app import App
from orchestration.handlers.start_run import start_run
from orchestration.runs.sweep_progress import Scan

_log = logging.getLogger(__name__)

PAGE_SIZE: Final = 1000
"""Trigger files that one sweep lists."""
FIRST_LOOK_BACK: Final = dt.timedelta(days=1)
"""Age up to which files count in the first pass: as long as Event Grid repeats an event."""
CLOCK_DIFFERENCE: Final = dt.timedelta(minutes=5)
"""How far the clocks of app and storage may differ."""


def start_lost_runs(app: App, scan: Scan) -> tuple[Scan, list[Exception]]:
    """Start the runs of the next page's trigger files that have none; return the scan after it, and the errors.

    After an error, the files written since the last complete pass are examined again.
    """
    now, errors = app.clock.now(), list[Exception]()
    scan = scan.begun(now)
    page = app.storage.triggers.page("", marker=scan.marker, limit=PAGE_SIZE)
    grace = dt.timedelta(seconds=app.settings.sweep_grace_seconds)
    since = (scan.complete_at or now - FIRST_LOOK_BACK) - grace - CLOCK_DIFFERENCE
    for item in page.items:
        if has_trigger_name(item.name) and item.modified is not None and since <= item.modified <= now - grace:
            try:
                _start_if_lost(app, item)
            except Exception as error:  # the other trigger files must still be examined
                _log.exception("the trigger file %s could not be examined", item.name)
                errors.append(error)
    return scan.continued(page.marker, failed=bool(errors)), errors


def has_trigger_name(name: str) -> bool:
    """Return whether the event of this blob passes the filter of the subscription (infra/bicep/blobtrigger.bicep).

    Event Grid ignores case. It also leaves out files above MAX_TRIGGER_BYTES, which must not be loaded by the host; the
    sweep does start those, and `start_run` refuses them by their size.
    """
    return name.casefold().endswith(ids.TRIGGER_SUFFIX)


def _start_if_lost(app: App, trigger: BlobInfo) -> None:
    run_id = ids.run_id_for(trigger.name, trigger.etag)
    if not _is_known(app, run_id):
        _log.warning("the event of the trigger file %s was lost", trigger.name, extra=log_fields(event="lost_trigger"))
        start_run(app, trigger.name)


def _is_known(app: App, run_id: str) -> bool:
    """Return whether the run was accepted, or refused, or ended and was deleted from `runs` since."""
    run = RunPaths(run_id)
    return (
        app.storage.runs.exists(run.request)
        or app.storage.runs.exists(run.outcome)
        or app.storage.output.exists(run.report)
    )
