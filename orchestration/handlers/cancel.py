"""Cancel a run: a mark that is checked before every side effect. A video that has already been committed is kept."""

from frame_tools.contracts import ids
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.reporting.watched_status import forget_status
from orchestration.runs.advance import advance
from orchestration.state import read_state


def cancel(app: App, run_id: str) -> None:
    """Mark the run as cancelled and end it; a run that has ended keeps its outcome. Raises MissingError if unknown."""
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is None:
        raise MissingError(f"There is no run {run_id}", "GET /api/runs lists them")
    if state.outcome is None:
        app.storage.runs.create(RunPaths(run_id).cancelled, b"")
        forget_status(app.storage, run_id, app.clock.now())
    advance(app, run_id)  # a run that has ended may still need clean-up that an earlier call did not finish
