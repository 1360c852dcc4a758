"""Scan of all runs for orphans: runs that have not ended and are not marked open, so no sweep visits them.

A run becomes an orphan if a process dies between two writes while another one cleans up, and nothing calls it again; or
if its outcome is damaged after it has ended.
The scan looks at one page of runs a sweep, and begins again an hour after it began.
"""

import datetime as dt
import logging
from collections.abc import Collection
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from frame_tools.storage.blobs import Blob
from frame_tools.telemetry.logs import log_fields
from orchestration.app import App
from orchestration.documents import load_own
from orchestration.runs.sweep_progress import Scan

_log = logging.getLogger(__name__)

SCAN_INTERVAL: Final = dt.timedelta(hours=1)
PAGE_SIZE: Final = 500
"""Runs that one sweep looks at: one storage request each, two for runs without an outcome."""

OLDEST_ORPHAN: Final = dt.timedelta(days=180)
"""Age from which a run counts as ended. A lifecycle rule (main.bicep) deletes the documents of a run after a year, and
its outcome can be gone before its request; such a run must not start again."""


def reopen_orphaned_runs(app: App, scan: Scan, *, still_open: Collection[str]) -> Scan:
    """Mark the orphaned runs of the next page open; return the scan after that page."""
    now = app.clock.now()
    if scan.began_at is None and scan.complete_at is not None and now - scan.complete_at < SCAN_INTERVAL:
        return scan
    scan = scan.begun(now)
    page = app.storage.runs.folder_page(marker=scan.marker, limit=PAGE_SIZE)
    for run_id in page.items:
        if ids.RUN_ID.fullmatch(run_id) and run_id not in still_open:
            _reopen_if_orphaned(app, run_id)
    return scan.continued(page.marker)


def _reopen_if_orphaned(app: App, run_id: str) -> None:
    runs, names = app.storage.runs, RunPaths(run_id)
    if not _has_ended(runs.read(names.outcome), run_id) and _was_accepted_recently(app, names):
        _log.warning("run %s was orphaned", run_id, extra=log_fields(event="orphan_reopened"))
        runs.create(names.open_mark, b"")


def _has_ended(outcome: Blob | None, run_id: str) -> bool:
    """Return whether an outcome says that its run has ended; a damaged one has to be made again."""
    try:
        return outcome is not None and bool(load_own(Outcome, outcome.data, run_id))
    except VersionSkewError:
        return True
    except DamagedError:
        return False


def _was_accepted_recently(app: App, names: RunPaths) -> bool:
    request = next(app.storage.runs.list(names.request), None)
    if request is None:
        return False
    return request.modified is None or app.clock.now() - request.modified < OLDEST_ORPHAN
