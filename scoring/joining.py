"""The task `join`: for videos too large for the function; the same code joins them here."""

import logging

from frame_tools import names
from frame_tools.delivery import DamagedBatchError, deliver
from frame_tools.errors import TemporaryError
from scoring.task import Task

log = logging.getLogger(__name__)


def join_run(task: Task) -> None:
    """Join the run. Damaged batches, now without receipts, go back to the function, which queues them anew."""
    try:
        if deliver(task.storage, task.run_id) is None:
            raise TemporaryError("Another joiner is at work on the run", "Batch tries again")
    except DamagedBatchError as error:
        log.warning("%s", error)
        for stage in ("join", "batches"):
            task.storage.runs.delete(names.queued(task.run_id, stage))
