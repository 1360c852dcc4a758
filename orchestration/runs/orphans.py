"""Hourly scan of all runs for orphans: runs that have not ended and are not marked open, so no sweep visits them.

A run becomes an orphan if a process dies between two writes while another one cleans up, and nothing calls it again.
"""

import datetime as dt
import logging
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.state import open_runs

_log = logging.getLogger(__name__)

SCAN_INTERVAL: Final = dt.timedelta(hours=1)
"""A scan costs one or two storage requests per run, including ended runs."""


def reopen_orphaned_runs(app: App) -> None:
    """Mark orphaned runs open, unless the last scan is more recent than SCAN_INTERVAL."""
    runs = app.storage.runs
    last_scan = runs.read(paths.last_orphan_scan())
    if last_scan is not None and app.clock.now() - dt.datetime.fromisoformat(last_scan.data.decode()) < SCAN_INTERVAL:
        return
    skipped = {"open", "slots", *open_runs(app.storage)}
    for run_id in runs.folders():
        if run_id in skipped:
            continue
        if not runs.exists(RunPaths(run_id).outcome) and runs.exists(RunPaths(run_id).request):
            _log.warning("run %s was orphaned", run_id)
            runs.create(RunPaths(run_id).open_mark, b"")
    runs.write(paths.last_orphan_scan(), app.clock.now().isoformat().encode())
