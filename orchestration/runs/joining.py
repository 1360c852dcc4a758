"""Join a run whose batches are all in: here if the video is small enough, else by a Batch task with the same code."""

import logging

from frame_tools.assembly import DamagedBatchError, assemble_output, read_receipt
from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration.app import App, now
from orchestration.runs.scheduling import place
from orchestration.state import RunState, write_failure

log = logging.getLogger(__name__)


def join(app: App, state: RunState) -> bool:
    """Join, or have it joined; returns whether to look at the run again at once."""
    run_id = state.run_id
    try:
        return _join_here_or_there(app, state)
    except MissingError as error:
        log.info("run %s: another joiner has set something aside: %s", run_id, error)
        return False
    except DamagedBatchError as error:
        log.warning("run %s: %s", run_id, error)
        place(app, run_id, error.batches)
        return False
    except DamagedError as error:
        write_failure(
            app.storage,
            Failure(
                run_id=run_id,
                step="join",
                reason=error.what,
                remedy=error.remedy,
                code=error.code,
                next_step=error.next_step,
                failed_at=now().isoformat(),
            ),
        )
        return True


def _join_here_or_there(app: App, state: RunState) -> bool:
    """Join what is small enough; of anything larger see that a task does it."""
    assert state.plan is not None  # noqa: S101 - decide() says "join" only with a plan
    run_id, batches = state.run_id, range(state.plan.batch_count)
    part_bytes = sum(read_receipt(app.storage, run_id, batch).product.size for batch in batches)
    if part_bytes <= app.settings.join_in_function_bytes:
        return assemble_output(app.storage, run_id) is not None
    if "join" not in state.queued:
        place(app, run_id, ["join"])
        app.storage.runs.create(RunPaths(run_id).queued("join"), b"")
    return False
