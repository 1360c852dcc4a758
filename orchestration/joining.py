"""Join a run whose batches are all in: here if the video is small enough, else by a Batch task with the same code."""

import logging

from frame_tools import names
from frame_tools.delivery import DamagedBatchError, deliver, read_receipt
from frame_tools.errors import DamagedError
from frame_tools.receipt import Failure
from orchestration.app import App, now
from orchestration.placing import place
from orchestration.state import RunState, write_failure

log = logging.getLogger(__name__)


def join(app: App, state: RunState) -> bool:
    """Join, or have it joined; returns whether to look at the run again at once."""
    assert state.plan is not None  # noqa: S101 - decide() says "join" only with a plan
    run_id, plan = state.run_id, state.plan
    part_bytes = sum(read_receipt(app.storage, run_id, batch).product.size for batch in range(plan.batch_count))
    if part_bytes > app.settings.join_in_function_bytes:
        if "join" not in state.queued:
            place(app, run_id, ["join"])
            app.storage.runs.create(names.queued(run_id, "join"), b"")
        return False
    try:
        return deliver(app.storage, run_id) is not None
    except DamagedBatchError as error:
        log.warning("run %s: %s", run_id, error)
        place(app, run_id, error.batches)
        return False
    except DamagedError as error:
        write_failure(
            app.storage,
            Failure(run_id=run_id, step="join", reason=error.what, remedy=error.remedy, failed_at=now().isoformat()),
        )
        return True
