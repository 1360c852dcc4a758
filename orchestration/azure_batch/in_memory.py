"""Batch in memory: an implementation of the Batch port whose tasks stay active until they are ended, for tests."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from frame_tools.contracts import ids
from frame_tools.storage.in_memory import AccessHook, no_hook
from orchestration.azure_batch.pool import NodeCounts, NodeView, PoolView, SupportedAgent
from orchestration.azure_batch.ports import JobView, SubmitResult, TaskView
from orchestration.azure_batch.task_spec import TaskSpec

MAX_COLLECTION: Final = 100
POOL: Final = PoolView(
    pool_id="gpu",
    state="active",
    allocation_state="steady",
    vm_size="local",
    slots=1,
    nodes=0,
    node_agent="local",
    images=("stub:1", "stub:2"),
)


@dataclass
class InMemoryJobs:
    """The state of the service; several `InMemoryBatch` objects may share it, as processes share an account."""

    tasks: dict[str, dict[str, TaskView]] = field(default_factory=dict)
    """By job and task id."""
    closed: set[str] = field(default_factory=set)
    """Jobs that accept no tasks."""
    priorities: dict[str, int] = field(default_factory=dict)
    """By job id."""
    specs: dict[tuple[str, str], TaskSpec] = field(default_factory=dict)
    """What was requested, by job and task id."""
    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    """Files on nodes, by job id, task id and name."""
    nodes: list[NodeView] = field(default_factory=list)
    """The nodes of the pool."""

    def fail_task(self, job_id: str, task_id: str) -> None:
        """End a task with exit code 1."""
        self.tasks[job_id][task_id] = replace(self.tasks[job_id][task_id], state="completed", exit_code=1)

    def end_task(self, run_id: str, task_id: str, *, exit_code: int) -> None:
        """End a task in all jobs of the run in which it is active."""
        for job_id, tasks in self.tasks.items():
            task = tasks.get(task_id)
            if job_id.startswith(f"{run_id}-j") and task is not None and task.is_active:
                tasks[task_id] = replace(task, state="completed", succeeded=exit_code == 0, exit_code=exit_code)

    def end_step(self, run_id: str, step: int | str, *, exit_code: int) -> None:
        """End the active tasks of a run's step in all jobs of the run."""
        for job_id, tasks in self.tasks.items():
            for task_id, task in tasks.items():
                parsed = ids.parse_task_id(task_id)
                if job_id.startswith(f"{run_id}-j") and parsed is not None and does(parsed[0], step) and task.is_active:
                    ended = replace(task, state="completed", succeeded=exit_code == 0, exit_code=exit_code)
                    self.tasks[job_id][task_id] = ended


def does(work: ids.Work, step: int | str) -> bool:
    """Return whether a task of this work executes the step."""
    return step in work if isinstance(work, ids.BatchRange) else work == step


class InMemoryBatch:
    """A Batch service in memory. `hook` is called before each access."""

    def __init__(self, jobs: InMemoryJobs | None = None, hook: AccessHook = no_hook) -> None:
        self.jobs = InMemoryJobs() if jobs is None else jobs
        self._hook = hook

    def with_hook(self, hook: AccessHook) -> "InMemoryBatch":
        """Return the same service as another process sees it, with its own hook."""
        return InMemoryBatch(self.jobs, hook)

    def ensure_job(self, job_id: str, *, correlation_id: str, priority: int, limit: dt.timedelta | None = None) -> bool:
        """Create the job unless it exists; returns whether it accepts tasks."""
        del correlation_id, limit
        self._hook("batch", True)
        self.jobs.tasks.setdefault(job_id, {})
        self.jobs.priorities.setdefault(job_id, priority)
        return job_id not in self.jobs.closed

    def job_is_open(self, job_id: str) -> bool:
        """Return whether the job exists and accepts tasks."""
        job = self.job(job_id)
        return job is not None and job.is_open

    def job(self, job_id: str) -> JobView | None:
        """Return a job, or None if it does not exist."""
        self._hook("batch", False)
        if job_id not in self.jobs.tasks:
            return None
        return JobView(is_open=job_id not in self.jobs.closed, priority=self.jobs.priorities.get(job_id, 0))

    def set_priority(self, job_id: str, priority: int) -> None:
        """Change the priority of a job; does nothing if it has ended or does not exist."""
        self._hook("batch", True)
        if job_id in self.jobs.tasks and job_id not in self.jobs.closed:
            self.jobs.priorities[job_id] = priority

    def add_task(self, job_id: str, spec: TaskSpec) -> SubmitResult:
        """Add one task."""
        self._hook("batch", True)
        return self._add(job_id, spec)

    def _add(self, job_id: str, spec: TaskSpec) -> SubmitResult:
        if job_id not in self.jobs.tasks or job_id in self.jobs.closed:
            return SubmitResult.JOB_CLOSED
        if spec.task_id in self.jobs.tasks[job_id]:
            return SubmitResult.EXISTS
        view = TaskView(task_id=spec.task_id, state="active", succeeded=False, exit_code=None, failure="")
        self.jobs.tasks[job_id][spec.task_id] = view
        self.jobs.specs[job_id, spec.task_id] = spec
        return SubmitResult.ADDED

    def add_tasks(self, job_id: str, specs: Sequence[TaskSpec]) -> SubmitResult:
        """Add many tasks, each unless it exists: one access for each 100, as in the service."""
        for _ in range(0, len(specs), MAX_COLLECTION):
            self._hook("batch", True)
        results = {self._add(job_id, spec) for spec in specs}
        order = (SubmitResult.JOB_CLOSED, SubmitResult.EXISTS)
        return next((each for each in order if each in results), SubmitResult.ADDED)

    def tasks(self, job_id: str) -> list[TaskView]:
        """Return all tasks of a job; empty if the job does not exist."""
        self._hook("batch", False)
        return list(self.jobs.tasks.get(job_id, {}).values())

    def file_tail(self, job_id: str, task_id: str, name: str, *, limit: int) -> bytes | None:
        """Return the last bytes, at most `limit`, of a task's file; None if it is not there."""
        self._hook("batch", False)
        data = self.jobs.files.get((job_id, task_id, name))
        return None if data is None else data[max(0, len(data) - limit) :]

    def reactivate(self, job_id: str, task_id: str) -> bool:
        """Restart a failed task; returns False if its state does not allow it."""
        self._hook("batch", True)
        task = self.jobs.tasks.get(job_id, {}).get(task_id)
        if task is None or task.is_active or task.succeeded or job_id in self.jobs.closed:
            return False
        self.jobs.tasks[job_id][task_id] = replace(task, state="active", exit_code=None)
        return True

    def terminate_job(self, job_id: str, reason: str) -> None:
        """Close the job; does nothing if it does not exist."""
        del reason
        self._hook("batch", True)
        if job_id in self.jobs.tasks:
            self.jobs.closed.add(job_id)

    def pool(self) -> PoolView | None:
        """Return a pool without nodes."""
        self._hook("batch", False)
        return POOL

    def node_counts(self) -> NodeCounts:
        """Return how many of the pool's nodes are in each state."""
        states = Counter(node.state for node in self.jobs.nodes)
        return NodeCounts(
            total=states.total(),
            idle=states["idle"],
            running=states["running"],
            starting=states["starting"],
            unusable=states["unusable"],
            start_task_failed=states["starttaskfailed"],
            preempted=states["preempted"],
        )

    def nodes(self, *, limit: int) -> list[NodeView]:
        """Return the nodes that a test has put into the pool."""
        self._hook("batch", False)
        return sorted(self.jobs.nodes, key=lambda node: node.node_id)[:limit]

    def supported_agents(self) -> list[SupportedAgent]:
        """Return the pool's node agent."""
        return [SupportedAgent(node_agent=POOL.node_agent)]
