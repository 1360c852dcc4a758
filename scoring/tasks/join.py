"""The task `join`: assembles videos that are too large for the Function App, with the same code."""

import logging

from frame_tools.assembly import assemble_output
from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.receipts import DamagedBatchError
from scoring.tasks.base import Task

_log = logging.getLogger(__name__)


def join_run(task: Task) -> None:
    """Assemble the run's output.

    For damaged batches, whose receipts are then gone, the Function App queues new tasks: the marks that join and
    batches are queued are deleted.
    """
    try:
        if assemble_output(task.storage, task.run_id) is None:
            raise TemporaryError("Another task is assembling the run", "Batch retries the task")
    except DamagedBatchError as error:
        _log.warning("%s", error)
        for stage in ("join", "batches"):
            task.storage.runs.delete(RunPaths(task.run_id).queued(stage))
