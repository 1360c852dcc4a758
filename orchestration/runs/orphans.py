"""Once an hour, look at all runs: one that has not ended and is not marked open would never be looked at again.

That takes a process that died between two writes while another one cleaned up, and nobody who calls it again.
"""

import datetime as dt
import logging
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App, now
from orchestration.state import open_runs

log = logging.getLogger(__name__)

EVERY: Final = dt.timedelta(hours=1)
"""Looking costs one or two requests a run, ended ones included."""


def reopen_forgotten(app: App) -> None:
    """Mark forgotten runs open, if the last look at all runs was an hour ago."""
    runs = app.storage.runs
    last = runs.read(paths.last_orphan_scan())
    if last is not None and now() - dt.datetime.fromisoformat(last.data.decode()) < EVERY:
        return
    known = {"open", "slots", *open_runs(app.storage)}
    for run_id in runs.folders():
        if run_id not in known and not runs.exists(RunPaths(run_id).outcome) and runs.exists(RunPaths(run_id).request):
            log.warning("run %s had been forgotten", run_id)
            runs.create(RunPaths(run_id).open_mark, b"")
    runs.write(paths.last_orphan_scan(), now().isoformat().encode())
