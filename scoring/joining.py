"""The task `join`: for videos too large for the function; the same code joins them here."""

import logging

from frame_tools.delivery import DamagedBatchError, deliver
from frame_tools.errors import TemporaryError
from scoring.task import Task

log = logging.getLogger(__name__)


def join_run(task: Task) -> None:
    """Join the run; damaged batches are left to the function, which scores them again when the message comes."""
    try:
        if deliver(task.storage, task.run_id) is None:
            raise TemporaryError("Another joiner is at work on the run", "Batch tries again")
    except DamagedBatchError as error:
        log.warning("%s", error)
