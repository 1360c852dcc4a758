"""Single facts of a run, for handlers that do not need its whole state."""

import logging
import re
from collections.abc import Iterator
from typing import Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.storage.blobs import BlobInfo, md5_of_bytes
from frame_tools.storage.deployment import Storage
from orchestration.documents import load_own

_log = logging.getLogger(__name__)

_JOB_NUMBER: Final = re.compile(r"[0-9]{3,6}")


def run_name(storage: Storage, run_id: str) -> str:
    """Return the run's name, or its id if its request cannot be read."""
    blob = storage.runs.read(RunPaths(run_id).request)
    try:
        return load_own(Request, blob.data, run_id).name if blob else run_id
    except (DamagedError, VersionSkewError):
        return run_id


def read_task_error(storage: Storage, run_id: str, step: str) -> TaskError | None:
    """Return the last retryable error of a step's task; None without one, or if its record cannot be read."""
    run = RunPaths(run_id)
    names = (run.error(step), run.old_error(step))
    blobs = [storage.runs.read(name, limit=TaskError.max_bytes) for name in names]
    errors: list[TaskError] = []
    for blob in blobs:
        try:
            errors += [load_own(TaskError, blob.data, run_id)] if blob else []
        except (DamagedError, VersionSkewError) as error:
            _log.warning("run %s: the error of the step %s cannot be read: %s", run_id, step, error)
    return max(errors, key=lambda error: error.happened_at, default=None)


def slots_held_by(storage: Storage, run_id: str) -> Iterator[BlobInfo]:
    """Yield every slot that the run holds: one, or two after a crash between two writes.

    One listing answers that: a slot contains the id of the run that holds it, and a listing has the content's hash.
    """
    holder = md5_of_bytes(run_id.encode())
    return (item for item in storage.runs.list(paths.SLOTS) if item.md5 == holder)


def open_runs(storage: Storage) -> list[str]:
    """Return the ids of all runs that are marked open; marks that name no run are ignored."""
    names = (item.name.removeprefix(paths.OPEN_MARKS) for item in storage.runs.list(paths.OPEN_MARKS))
    return [name for name in names if ids.RUN_ID.fullmatch(name)]


def job_numbers(storage: Storage, run_id: str) -> list[int]:
    """Return the numbers of the Batch jobs that were claimed for the run; other blobs among the claims are ignored."""
    names = (item.name.rsplit("/", 1)[1] for item in storage.runs.list(RunPaths(run_id).jobs))
    return [int(name) for name in names if _JOB_NUMBER.fullmatch(name)]


def write_failure(storage: Storage, failure: Failure) -> None:
    """Record that a step failed permanently; the first record wins."""
    storage.runs.create(RunPaths(failure.run_id).failure(failure.step), failure.dumps())
