"""Why a run is delayed: the last error that kept a handler from advancing it, until the sweep gets through.

A delay is a record, never a decision: the sweep goes on trying. It gives up only on errors that are not expected to
pass, after several sweeps in a row; the time limit ends every other run.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, ClassVar, Final, Literal

from azure.core.exceptions import AzureError
from pydantic import Field

from frame_tools.contracts.base import StoredDocument
from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.deployment import Storage
from orchestration.app import App
from orchestration.documents import load_own
from orchestration.service_errors import describe_error, is_passing

_log = logging.getLogger(__name__)

MAX_FAILED_SWEEPS: Final = 5
"""Sweeps in a row that may fail for a reason that is not expected to pass."""


class Delay(StoredDocument):
    """The last error that kept a handler from advancing the run."""

    document_name: ClassVar = "delay record"
    version: Literal[1] = 1
    run_id: str
    reason: str
    remedy: str
    code: ErrorCode
    next_step: NextStep
    happened_at: str
    failed_sweeps: Annotated[int, Field(ge=0)] = 0
    """Sweeps in a row that failed for a reason that is not expected to pass."""


def read_delay(storage: Storage, run_id: str) -> Delay | None:
    """Return why the run is delayed, or None if it is not or if the record cannot be read."""
    blob = storage.runs.read(RunPaths(run_id).delay)
    try:
        return load_own(Delay, blob.data, run_id) if blob else None
    except (DamagedError, VersionSkewError):
        return None


def record_delay(app: App, run_id: str, error: Exception, *, in_sweep: bool = False) -> Delay | None:
    """Record an error as the reason of the run's delay; return the record, or None if storage is away, too."""
    described = describe_error(error)
    try:
        earlier = read_delay(app.storage, run_id)
        failed_sweeps = earlier.failed_sweeps if earlier else 0
        if in_sweep:
            failed_sweeps = 0 if is_passing(error) else failed_sweeps + 1
        delay = Delay(
            run_id=run_id,
            reason=described.what,
            remedy=described.remedy,
            code=described.code,
            next_step=described.next_step,
            happened_at=app.clock.now().isoformat(),
            failed_sweeps=failed_sweeps,
        )
        app.storage.runs.write(RunPaths(run_id).delay, delay.dumps())
    except AzureError as storage_error:
        _log.warning("run %s: its delay could not be recorded: %s", run_id, storage_error)
        return None
    return delay


@contextmanager
def recorded_delay(app: App, run_id: str) -> Iterator[None]:
    """Record an error of the block as the reason of the run's delay and raise it."""
    try:
        yield
    except Exception as error:  # whatever it is, the run's status says why it does not go on
        record_delay(app, run_id, error)
        raise


def end_delay(app: App, run_id: str) -> None:
    """Delete the record of the run's delay."""
    app.storage.runs.delete(RunPaths(run_id).delay)
