"""A pass over all runs, which lists those that an earlier version of Impasto has started or ended.

Until it is complete, a list of runs is made of the documents of all runs; from then on, of their entries.
"""

import datetime as dt
from typing import Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.reporting.run_index import read_row, write_entry
from orchestration.runs.sweep_progress import Scan

INTERVAL: Final = dt.timedelta(days=90)
"""The pass is repeated because a lifecycle rule (main.bicep) deletes every blob of `runs` that is a year old."""
PAGE_SIZE: Final = 200
"""Runs that one sweep looks at: one storage request each, about seven for runs without an entry."""


def index_old_runs(app: App, scan: Scan) -> Scan:
    """List the runs of the next page that are not listed yet; return the scan after that page."""
    now = app.clock.now()
    if scan.began_at is None and scan.complete_at is not None and now - scan.complete_at < INTERVAL:
        return scan
    scan = scan.begun(now)
    page = app.storage.runs.folder_page(marker=scan.marker, limit=PAGE_SIZE)
    for run_id in page.items:
        if ids.RUN_ID.fullmatch(run_id) and not app.storage.runs.exists(RunPaths(run_id).listed):
            has_request = app.storage.runs.exists(RunPaths(run_id).request)
            write_entry(app.storage, read_row(app.storage, run_id), has_request=has_request)
    if not page.marker:
        app.storage.runs.write(paths.INDEX_COMPLETE, b"")
    return scan.continued(page.marker)
