"""Which waiting task goes to which node: a pure function of what waits and what is free."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local_cloud.batch_service.state.models import Job, Task


@dataclass(frozen=True, kw_only=True)
class PendingTask:
    """A task that may run now, and the slots it takes."""

    job_id: str
    task_id: str
    slots: int


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A task and the node it is to run on."""

    pending: PendingTask
    node_id: str


def pending_tasks(jobs: Iterable[tuple[Job, Iterable[Task], int]]) -> list[PendingTask]:
    """Return what may run now: by the job's priority, then the job's age, then the task's age.

    Each active job comes with its tasks and the number of those that run already; ``maxParallelTasks`` caps the sum.
    """
    pending: list[PendingTask] = []
    for job, tasks, running in sorted(jobs, key=lambda entry: (-entry[0].priority, entry[0].creation_time)):
        active = sorted((task for task in tasks if task.state == "active"), key=lambda task: task.creation_time)
        room = len(active) if job.max_parallel_tasks == -1 else max(job.max_parallel_tasks - running, 0)
        pending += [PendingTask(job_id=job.id, task_id=task.id, slots=task.required_slots) for task in active[:room]]
    return pending


def assign(pending: Iterable[PendingTask], free_slots: Mapping[str, int], *, pack: bool) -> list[Placement]:
    """Place tasks in their order, each on the fullest (``pack``) or the emptiest node that has room for it.

    A task that fits nowhere is passed over; it does not hold back the smaller ones behind it.
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
