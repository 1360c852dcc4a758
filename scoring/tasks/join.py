"""The task `join`: for videos too large for the function; the same code joins them here."""

import logging

from frame_tools.assembly import DamagedBatchError, assemble_output
from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from scoring.tasks.base import Task

log = logging.getLogger(__name__)


def join_run(task: Task) -> None:
    """Join the run. Damaged batches, now without receipts, go back to the function, which queues them anew."""
    try:
        if assemble_output(task.storage, task.run_id) is None:
            raise TemporaryError("Another joiner is at work on the run", "Batch tries again")
    except DamagedBatchError as error:
        log.warning("%s", error)
        for stage in ("join", "batches"):
            task.storage.runs.delete(RunPaths(task.run_id).queued(stage))
