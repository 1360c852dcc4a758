"""The Batch port: the operations that the app needs of Azure Batch, and the values that they return.

`client.BatchService` implements it on Azure, `in_memory.InMemoryBatch` in this process; the same contract tests
(tests/contract) run against both.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from orchestration.azure_batch.pool import NodeCounts, NodeView, PoolView, SupportedAgent
from orchestration.azure_batch.task_spec import TaskSpec


class SubmitResult(StrEnum):
    """What Batch did with a task."""

    ADDED = "added"
    EXISTS = "exists"
    """The task id is already taken."""
    JOB_CLOSED = "job_closed"
    """The job accepts no more tasks."""


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """The checked properties of a Batch task."""

    task_id: str
    state: str
    """active, preparing, running or completed."""
    succeeded: bool
    exit_code: int | None
    failure: str
    """Batch's description of the failure, one line; empty if there is none."""

    @property
    def is_active(self) -> bool:
        """Whether the task has not completed."""
        return self.state != "completed"


@dataclass(frozen=True, kw_only=True)
class JobView:
    """The checked properties of a Batch job."""

    is_open: bool
    """Whether the job accepts tasks."""
    priority: int


class BatchClient(Protocol):
    """The Batch service of an account, restricted to one pool."""

    def ensure_job(self, job_id: str, *, correlation_id: str, priority: int, limit: dt.timedelta | None = None) -> bool:
        """Create the job with this priority unless it exists; returns whether it accepts tasks.

        Batch ends it after `limit`; None for the time limit of a run.
        """

    def job(self, job_id: str) -> JobView | None:
        """Return a job, or None if it does not exist."""

    def set_priority(self, job_id: str, priority: int) -> None:
        """Change the priority of a job; does nothing if it has ended or does not exist."""

    def job_is_open(self, job_id: str) -> bool:
        """Return whether the job exists and accepts tasks."""

    def add_task(self, job_id: str, spec: TaskSpec) -> SubmitResult:
        """Add one task."""

    def add_tasks(self, job_id: str, specs: Sequence[TaskSpec]) -> SubmitResult:
        """Add many tasks, each unless it exists.

        EXISTS if some did; JOB_CLOSED as soon as one is rejected because the job is closed or does not exist.
        """

    def tasks(self, job_id: str) -> list[TaskView]:
        """Return all tasks of a job; empty if the job does not exist."""

    def file_tail(self, job_id: str, task_id: str, name: str, *, limit: int) -> bytes | None:
        """Return the last bytes, at most `limit`, of a task's file on its node; None if it is not there (any more)."""

    def reactivate(self, job_id: str, task_id: str) -> bool:
        """Restart a failed task with all its retries; returns False if its state does not allow it."""

    def terminate_job(self, job_id: str, reason: str) -> None:
        """Stop the job's tasks and close the job; does nothing if it has ended or does not exist."""

    def pool(self) -> PoolView | None:
        """Return the pool, or None if it does not exist."""

    def node_counts(self) -> NodeCounts:
        """Return the number of the pool's nodes in each state."""

    def nodes(self, *, limit: int) -> list[NodeView]:
        """Return the pool's nodes, at most `limit`, in the order of their ids; empty if the pool does not exist."""

    def supported_agents(self) -> list[SupportedAgent]:
        """Return the node agents that Batch supports."""
