"""A Batch pool and its nodes as frozen values, without a service."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class PoolError:
    """An error of a resize, or of an evaluation of the autoscale formula, as Batch reports it."""

    source: Literal["resize", "autoscale"]
    code: str
    message: str

    def __str__(self) -> str:
        prefix = "autoscale " if self.source == "autoscale" else ""
        return f"{prefix}{self.code}: {self.message}"

    @property
    def is_quota(self) -> bool:
        """Whether a quota is exhausted: every such code, AccountCoreQuotaReached and so on, has the same ending."""
        return self.code.casefold().endswith("quotareached")


@dataclass(frozen=True, kw_only=True)
class PoolView:
    """The checked properties of a Batch pool. State names are in lower case."""

    pool_id: str
    state: str
    """active or deleting."""
    allocation_state: str
    """steady, resizing or stopping."""
    vm_size: str
    slots: int
    """Task slots per node."""
    nodes: int
    """Current dedicated and Spot nodes."""
    node_agent: str = ""
    takes_containers: bool = True
    images: Sequence[str] = ()
    """Images that nodes prefetch when they start."""
    registries: Sequence[str] = ()
    """Servers that nodes have credentials for."""
    identities: Sequence[str] | None = None
    """Resource ids; None if Batch does not report them."""
    mounts: Sequence[str] = ()
    """Mounted folders, relative to the nodes' mount folder."""
    errors: Sequence[PoolError] = field(default_factory=tuple)
    """Errors of the last resize and autoscale evaluation."""


@dataclass(frozen=True, kw_only=True)
class NodeCounts:
    """A pool's nodes by state; only the states that matter here."""

    total: int = 0
    idle: int = 0
    running: int = 0
    starting: int = 0
    """Creating, starting, rebooting, or waiting for the start task."""
    unusable: int = 0
    start_task_failed: int = 0
    preempted: int = 0


@dataclass(frozen=True, kw_only=True)
class RunningTask:
    """A task that runs on a node."""

    job_id: str
    task_id: str


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """A node of the pool. State names are in lower case: idle, running, starting, unusable, starttaskfailed, …"""

    node_id: str
    state: str
    dedicated: bool
    running_tasks: int
    tasks: Sequence[RunningTask] = ()
    """Those of the running tasks that Batch names."""
    allocated_at: dt.datetime | None = None
    errors: Sequence[str] = ()
    """Why the start task failed, and why the node cannot be used, as Batch reports it; one line each."""


@dataclass(frozen=True, kw_only=True)
class SupportedAgent:
    """A node agent that Batch supports; `ends_at` is an ISO 8601 date, or empty."""

    node_agent: str
    ends_at: str = ""
