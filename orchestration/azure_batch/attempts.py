"""The tasks of a job by what they do."""

from collections.abc import Sequence

from frame_tools.contracts import ids
from orchestration.azure_batch.ports import TaskView

Attempts = dict[ids.Work, list[tuple[int, TaskView]]]
"""The tasks of each work, with the numbers of their attempts, in ascending order."""


def attempts_by_work(tasks: Sequence[TaskView]) -> Attempts:
    """Group a job's tasks by what they do; ignores tasks with foreign ids."""
    grouped: Attempts = {}
    for task in tasks:
        if (parsed := ids.parse_task_id(task.task_id)) is not None:
            grouped.setdefault(parsed[0], []).append((parsed[1], task))
    return {work: sorted(attempts, key=lambda pair: pair[0]) for work, attempts in grouped.items()}
