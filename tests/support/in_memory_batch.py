"""A Batch service in memory whose tasks stay active until a test ends them; held to the real one's contract tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from frame_tools.contracts import ids
from orchestration.azure_batch.client import BatchService, SubmitResult, TaskView
from orchestration.azure_batch.pool import PoolView
from orchestration.azure_batch.task_spec import TaskSpec
from tests.support.in_memory import Before, nothing

POOL: Final = PoolView(
    pool_id="gpu",
    state="active",
    allocation_state="steady",
    vm_size="local",
    slots=1,
    nodes=0,
    images=("stub:1", "stub:2"),
)


@dataclass
class Jobs:
    """What the service remembers: tasks by job and id, and the jobs that take no more."""

    tasks: dict[str, dict[str, TaskView]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    specs: dict[tuple[str, str], TaskSpec] = field(default_factory=dict)
    """What was requested, by job and task id."""

    def end_badly(self, job_id: str, task_id: str) -> None:
        """End a task as one that failed."""
        self.tasks[job_id][task_id] = replace(self.tasks[job_id][task_id], state="completed", exit_code=1)

    def end_step(self, run_id: str, step: int | str, *, exit_code: int) -> None:
        """End the step's living task; a job whose task went on working for it has been closed."""
        for job_id, tasks in self.tasks.items():
            for task_id, task in tasks.items():
                parsed = ids.parse_task_id(task_id)
                if job_id.startswith(f"{run_id}-j") and parsed is not None and parsed[0] == step and task.is_active:
                    ended = replace(task, state="completed", succeeded=exit_code == 0, exit_code=exit_code)
                    self.tasks[job_id][task_id] = ended


class MemoryBatch(BatchService):
    """A Batch service in memory; `before` is called before each access."""

    def __init__(self, jobs: Jobs, before: Before = nothing) -> None:
        self.jobs = jobs
        self._before = before

    def seen_through(self, before: Before) -> "MemoryBatch":
        """Return the same service for another process."""
        return MemoryBatch(self.jobs, before)

    def ensure_job(self, job_id: str, *, correlation_id: str) -> bool:
        self._before("batch", True)
        self.jobs.tasks.setdefault(job_id, {})
        return job_id not in self.jobs.closed

    def job_is_open(self, job_id: str) -> bool:
        self._before("batch", False)
        return job_id in self.jobs.tasks and job_id not in self.jobs.closed

    def add_task(self, job_id: str, spec: TaskSpec) -> SubmitResult:
        self._before("batch", True)
        if job_id not in self.jobs.tasks or job_id in self.jobs.closed:
            return SubmitResult.JOB_CLOSED
        if spec.task_id in self.jobs.tasks[job_id]:
            return SubmitResult.EXISTS
        view = TaskView(task_id=spec.task_id, state="active", succeeded=False, exit_code=None, failure="")
        self.jobs.tasks[job_id][spec.task_id] = view
        self.jobs.specs[job_id, spec.task_id] = spec
        return SubmitResult.ADDED

    def add_tasks(self, job_id: str, specs: Sequence[TaskSpec]) -> SubmitResult:
        results = [self.add_task(job_id, spec) for spec in specs]
        return SubmitResult.JOB_CLOSED if SubmitResult.JOB_CLOSED in results else SubmitResult.ADDED

    def tasks(self, job_id: str) -> list[TaskView]:
        self._before("batch", False)
        return list(self.jobs.tasks.get(job_id, {}).values())

    def reactivate(self, job_id: str, task_id: str) -> bool:
        self._before("batch", True)
        task = self.jobs.tasks.get(job_id, {}).get(task_id)
        if task is None or task.is_active or task.succeeded or job_id in self.jobs.closed:
            return False
        self.jobs.tasks[job_id][task_id] = replace(task, state="active", exit_code=None)
        return True

    def terminate_job(self, job_id: str, reason: str) -> None:
        self._before("batch", True)
        if job_id in self.jobs.tasks:
            self.jobs.closed.add(job_id)

    def pool(self) -> PoolView | None:
        self._before("batch", False)
        return POOL
