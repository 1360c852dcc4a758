"""Stored entities: jobs, tasks, pools and nodes as frozen values, in the JSON format of the API."""

from dataclasses import dataclass
from typing import Literal

from local_cloud.batch_service.contracts.requests import JobSpec, NameValue, PoolSpec, TaskSpec
from local_cloud.batch_service.contracts.serialization import Time, WireModel

JobState = Literal["active", "disabling", "disabled", "enabling", "terminating", "completed", "deleting"]
TaskState = Literal["active", "running", "completed"]
NodeState = Literal["idle", "running", "preempted", "starting", "leavingpool"]


class Entity(WireModel):
    """Properties of every entity. `eTag` and `lastModified` change by users' operations only, not by state changes."""

    e_tag: str
    last_modified: Time
    creation_time: Time
    state_transition_time: Time


class JobExecution(WireModel):
    """How a job ran; `terminateReason` is the user's text, `UserTerminate` or a reason of the service."""

    start_time: Time
    end_time: Time | None = None
    pool_id: str
    terminate_reason: str | None = None


class Job(JobSpec, Entity):
    """A job."""

    state: JobState = "active"
    previous_state: JobState | None = None
    previous_state_transition_time: Time | None = None
    execution_info: JobExecution


class FailureInfo(WireModel):
    """Why a task failed; the service writes `category` in PascalCase."""

    category: Literal["UserError", "ServerError"]
    code: str
    message: str
    details: tuple[NameValue, ...] | None = None


class TaskExecution(WireModel):
    """Execution of a task: `retryCount` counts runs after a nonzero exit code, `requeueCount` requeues by a user."""

    start_time: Time | None = None
    end_time: Time | None = None
    exit_code: int | None = None
    failure_info: FailureInfo | None = None
    result: Literal["success", "failure"] | None = None
    retry_count: int = 0
    last_retry_time: Time | None = None
    requeue_count: int = 0
    last_requeue_time: Time | None = None


class TaskNode(WireModel):
    """The node on which a task runs or ran."""

    affinity_id: str
    node_url: str
    pool_id: str
    node_id: str
    task_root_directory: str
    task_root_directory_url: str


class Task(TaskSpec, Entity):
    """A task."""

    state: TaskState = "active"
    previous_state: TaskState | None = None
    previous_state_transition_time: Time | None = None
    execution_info: TaskExecution = TaskExecution()
    node_info: TaskNode | None = None


class Node(WireModel):
    """A node of a pool, which is a directory of this machine."""

    id: str
    state: NodeState = "idle"
    state_transition_time: Time
    allocation_time: Time
    last_boot_time: Time | None = None
    """Absent until the node has started."""
    is_dedicated: bool = True
    total_tasks_run: int = 0
    total_tasks_succeeded: int = 0


class ResizeError(WireModel):
    """Why the last resize of a pool missed its target."""

    code: str
    message: str


class Pool(PoolSpec, Entity):
    """A pool; `nodes_made` numbers its nodes, so that the replacement of a lost node has a new id."""

    state: Literal["active", "deleting"] = "active"
    allocation_state: Literal["steady", "resizing", "stopping"] = "steady"
    allocation_state_transition_time: Time
    resize_errors: tuple[ResizeError, ...] | None = None
    nodes: tuple[Node, ...] = ()
    nodes_made: int = 0


@dataclass(frozen=True)
class ProcessExit:
    """How a process ended: exit code (0 to 255), and whether it exceeded its time limit."""

    exit_code: int
    timed_out: bool
