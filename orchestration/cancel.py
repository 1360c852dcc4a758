"""Cancel a run: a mark that every effect is checked against. A video that was committed first stays."""

from frame_tools import names
from frame_tools.errors import MissingError
from orchestration.advance import advance
from orchestration.app import App


def cancel(app: App, run_id: str) -> None:
    """Mark the run cancelled (once) and end it; a run that has ended stays as it ended."""
    runs = app.storage.runs
    if not runs.exists(names.request(names.check_run_id(run_id))):
        raise MissingError(f"There is no run {run_id}", "GET /api/runs lists them")
    if not runs.exists(names.outcome(run_id)):
        runs.create(names.cancelled(run_id), b"")
    advance(app, run_id)  # of a run that has ended: what an earlier call may have left undone
