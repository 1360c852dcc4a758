"""A run's report as the page reads it: a plain mapping, of whatever version wrote it."""

import json
from typing import Any

from frame_tools.contracts.paths import RunPaths
from orchestration.app import App


def read_report(app: App, run_id: str) -> dict[str, Any]:
    """Return the report of a run that has ended; empty if it is missing or damaged."""
    blob = app.storage.output.read(RunPaths(run_id).report)
    try:
        report = json.loads(blob.data) if blob else {}
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}
