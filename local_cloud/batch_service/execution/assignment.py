"""Assignment of pending tasks to nodes: pure functions of the tasks and the free slots."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local_cloud.batch_service.state.models import Job, Task


@dataclass(frozen=True, kw_only=True)
class PendingTask:
    """A task that can run now, and the number of slots it needs."""

    job_id: str
    task_id: str
    slots: int


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A task and its node."""

    pending: PendingTask
    node_id: str


def pending_tasks(jobs: Iterable[tuple[Job, Iterable[Task], int]]) -> list[PendingTask]:
    """Return the tasks that can run now, ordered by job priority, job age and task age.

    Each active job comes with its tasks and the number of its running tasks; `maxParallelTasks` limits the total.
    """
    pending: list[PendingTask] = []
    for job, tasks, running in sorted(jobs, key=lambda entry: (-entry[0].priority, entry[0].creation_time)):
        active = sorted((task for task in tasks if task.state == "active"), key=lambda task: task.creation_time)
        room = len(active) if job.max_parallel_tasks == -1 else max(job.max_parallel_tasks - running, 0)
        pending += [PendingTask(job_id=job.id, task_id=task.id, slots=task.required_slots) for task in active[:room]]
    return pending


def assign(pending: Iterable[PendingTask], free_slots: Mapping[str, int], *, pack: bool) -> list[Placement]:
    """Place tasks in order, each on the fullest (`pack`) or the emptiest node with enough free slots.

    A task that fits on no node is skipped and does not block smaller tasks after it.
    """
    free = dict(free_slots)
    placements: list[Placement] = []
    for task in pending:
        fitting = [node for node, slots in free.items() if slots >= task.slots]
        if not fitting:
            continue
        node = min(fitting, key=free.__getitem__) if pack else max(fitting, key=free.__getitem__)
        free[node] -= task.slots
        placements.append(Placement(pending=task, node_id=node))
    return placements
