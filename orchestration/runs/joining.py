"""Joining of a run whose batches are all complete: in this process if the result is small, else in a Batch task."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from frame_tools.assembly import DamagedPlanError, JoinDeclinedError, assemble_output
from frame_tools.contracts.errors import DamagedError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Failure
from frame_tools.storage.pins import DamagedPinsError
from frame_tools.storage.receipts import DamagedBatchError, MissingReceiptError, ReceiptVersion
from orchestration.app import App
from orchestration.memory_budget import JOIN_BYTES
from orchestration.runs.join_time import LONGEST_JOIN, join_time
from orchestration.runs.repair import plan_again, restore_pins
from orchestration.runs.scheduling import ensure_tasks
from orchestration.state import RunState, write_failure

_log = logging.getLogger(__name__)

MAX_PART_BYTES: Final = 40 * 2**20
"""Largest segment, or file of records, that the function joins: it is in memory with its packets."""
MAX_JOINED_FRAMES: Final = 250_000
"""Most frames of a run that the function joins: receipts and index grow with them."""


def join_run(app: App, state: RunState) -> bool:
    """Join the run here or schedule a task for it; return whether to evaluate the run again at once."""
    run_id = state.run_id
    try:
        return _join_or_schedule(app, state)
    except MissingReceiptError as error:
        _log.info("run %s: a concurrent joiner has invalidated a receipt: %s", run_id, error)
        return False
    except DamagedBatchError as error:
        _log.warning("run %s: %s", run_id, error)
        ensure_tasks(app, run_id, error.batches)
        return False
    except DamagedPlanError as error:
        _log.warning("run %s: %s", run_id, error)
        plan_again(app, state, splits=state.split is not None)
        return True
    except (DamagedError, MissingError) as error:
        if isinstance(error, DamagedPinsError) and state.plan is not None and restore_pins(app, state.plan):
            return True
        write_failure(
            app.storage,
            Failure(
                run_id=run_id,
                step="join",
                reason=error.what,
                remedy=error.remedy,
                code=error.code,
                next_step=error.next_step,
                failed_at=app.clock.now().isoformat(),
            ),
        )
        return True


def fits_in_function(sizes: Sequence[int], frame_count: int, *, limit: int) -> bool:
    """Return whether parts of these `sizes` in bytes can be joined within `JOIN_BYTES` of memory and the setting."""
    return sum(sizes) <= limit and max(sizes) <= MAX_PART_BYTES and frame_count <= MAX_JOINED_FRAMES


def _join_or_schedule(app: App, state: RunState) -> bool:
    """Join here if the parts are small and few enough, else ensure that a task joins them."""
    assert state.plan is not None  # noqa: S101 - decide() returns JOIN only with a plan
    run_id = state.run_id
    if "join" in state.queued:  # the sweep ensures its task
        return False
    plan = state.plan
    # The receipts of a run with very many batches are not even read.
    if join_time(batches=plan.batch_count, frames=plan.frame_count, media_bytes=0) <= LONGEST_JOIN:
        with suppress(JoinDeclinedError), app.memory.hold(JOIN_BYTES):
            return assemble_output(app.storage, run_id, accepts=partial(_accepts, app, plan)) is not None
    ensure_tasks(app, run_id, ["join"])
    app.storage.runs.create(RunPaths(run_id).queued("join"), b"")
    return False


def _accepts(app: App, plan: Plan, receipts: Sequence[ReceiptVersion]) -> bool:
    """Return whether the function may join: the parts fit, and it ends long before the host's timeout."""
    sizes = [version.receipt.part.size for version in receipts]
    media_bytes = sum(sizes) + _audio_bytes(app, plan)
    time = join_time(batches=plan.batch_count, frames=plan.frame_count, media_bytes=media_bytes)
    fits = fits_in_function(sizes, plan.frame_count, limit=app.settings.join_in_function_bytes)
    if fits and time <= LONGEST_JOIN:
        app.receipts.keep(plan.run_id, receipts)
        return True
    return False


def _audio_bytes(app: App, plan: Plan) -> int:
    """Return the size of the sound, which a join reads as a whole; 0 if it is missing, which the join reports."""
    audio = app.storage.data_container(plan.audio.container).info(plan.audio.name) if plan.audio else None
    return audio.size if audio is not None else 0
