"""Request bodies of the operations as frozen values; `validation.py` validates them."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from local_cloud.batch_service.contracts.serialization import UNLIMITED, Duration, WireModel

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ImageName = Annotated[str, StringConstraints(min_length=1)]
RetryCount = Annotated[int, Field(ge=-1)]


def _default_user() -> dict[str, Any]:
    return {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}


def _default_policy() -> dict[str, Any]:
    return {"nodeFillType": "Spread"}


def _lowercase(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _condition_name(value: object) -> object:
    names = {"tasksuccess": "TaskSuccess", "taskfailure": "TaskFailure", "taskcompletion": "TaskCompletion"}
    return names.get(value.lower(), value) if isinstance(value, str) else value


AllTasksComplete = Annotated[Literal["noaction", "terminatejob"], BeforeValidator(_lowercase)]
TaskFailure = Annotated[Literal["noaction"], BeforeValidator(_lowercase)]
UploadCondition = Annotated[Literal["TaskSuccess", "TaskFailure", "TaskCompletion"], BeforeValidator(_condition_name)]


class NameValue(WireModel):
    """An environment setting or a metadata item."""

    name: str
    value: str = ""


class PoolInfo(WireModel):
    """The pool on which a job runs."""

    pool_id: Id


class JobConstraints(WireModel):
    """Limits of a job; `maxTaskRetryCount` is the default for its tasks, -1 means no limit."""

    max_wall_clock_time: Duration = UNLIMITED
    max_task_retry_count: RetryCount = 0


class JobSpec(WireModel):
    """Body of POST /jobs."""

    id: Id
    display_name: str | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    max_parallel_tasks: Annotated[int, Field(ge=-1)] = -1
    uses_task_dependencies: Literal[False] = False
    allow_task_preemption: bool = False
    constraints: JobConstraints = JobConstraints()
    pool_info: PoolInfo
    common_environment_settings: tuple[NameValue, ...] | None = None
    on_all_tasks_complete: AllTasksComplete = "noaction"
    on_task_failure: TaskFailure = "noaction"
    metadata: tuple[NameValue, ...] | None = None


class JobPatch(WireModel):
    """Body of PATCH /jobs/{id}; an absent property stays unchanged."""

    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    max_parallel_tasks: Annotated[int, Field(ge=-1)] | None = None
    allow_task_preemption: bool | None = None
    constraints: JobConstraints | None = None
    pool_info: PoolInfo | None = None
    on_all_tasks_complete: AllTasksComplete | None = None
    metadata: tuple[NameValue, ...] | None = None


class JobUpdate(WireModel):
    """Body of PUT /jobs/{id}: clients send the whole job from GET; only these properties are read."""

    model_config = WireModel.model_config | {"extra": "ignore"}

    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    max_parallel_tasks: Annotated[int, Field(ge=-1)] = -1
    allow_task_preemption: bool = False
    constraints: JobConstraints = JobConstraints()
    pool_info: PoolInfo
    on_all_tasks_complete: AllTasksComplete = "noaction"
    metadata: tuple[NameValue, ...] | None = None


class JobTerminate(WireModel):
    """Body of POST /jobs/{id}/terminate, which is optional."""

    terminate_reason: str = "UserTerminate"


class JobDisable(WireModel):
    """Body of POST /jobs/{id}/disable."""

    disable_tasks: Annotated[Literal["requeue", "terminate", "wait"], BeforeValidator(_lowercase)]


class ContainerSettings(WireModel):
    """Container settings: the image name selects the task's environment, the rest is stored without effect."""

    image_name: ImageName
    container_run_options: str | None = None
    working_directory: str | None = None
    registry: dict[str, Any] | None = None
    container_host_batch_bind_mounts: tuple[dict[str, Any], ...] | None = None


class IdentityReference(WireModel):
    """The node's identity in Azure; here the credential comes from the image's environment (`file_transfer.py`)."""

    resource_id: str


class ResourceFile(WireModel):
    """A blob that is downloaded to the working directory before the task starts."""

    http_url: str
    file_path: Annotated[str, StringConstraints(min_length=1)]
    file_mode: str | None = None
    identity_reference: IdentityReference | None = None


class ContainerDestination(WireModel):
    """Destination of output files: `path` is the blob name if the pattern has no wildcard, else a prefix."""

    container_url: str
    path: str | None = None
    identity_reference: IdentityReference | None = None


class Destination(WireModel):
    """The only supported kind of destination."""

    container: ContainerDestination


class UploadOptions(WireModel):
    """When output files are uploaded; the service writes the condition in PascalCase."""

    upload_condition: UploadCondition


class OutputFile(WireModel):
    """Files that are uploaded after the task's process has exited."""

    file_pattern: Annotated[str, StringConstraints(min_length=1)]
    destination: Destination
    upload_options: UploadOptions


class TaskConstraints(WireModel):
    """Limits of a task; without `maxTaskRetryCount` the job's value applies."""

    max_wall_clock_time: Duration = UNLIMITED
    retention_time: Duration = timedelta(days=7)
    max_task_retry_count: RetryCount | None = None


class TaskUpdate(WireModel):
    """Body of PUT /jobs/{id}/tasks/{id}: only the constraints can change."""

    model_config = WireModel.model_config | {"extra": "ignore"}

    constraints: TaskConstraints = TaskConstraints()


class TaskSpec(WireModel):
    """Body of POST /jobs/{id}/tasks and item of addtaskcollection."""

    id: Id
    display_name: str | None = None
    command_line: Annotated[str, StringConstraints(min_length=1)]
    container_settings: ContainerSettings | None = None
    resource_files: tuple[ResourceFile, ...] | None = None
    output_files: tuple[OutputFile, ...] | None = None
    environment_settings: tuple[NameValue, ...] | None = None
    affinity_info: dict[str, Any] | None = None
    user_identity: dict[str, Any] = Field(default_factory=_default_user)
    constraints: TaskConstraints = TaskConstraints()
    required_slots: Annotated[int, Field(ge=1)] = 1


class PoolSpec(WireModel):
    """Body of POST /pools. A pool with autoscale starts without nodes, because its formula is not evaluated."""

    id: Id
    display_name: str | None = None
    vm_size: Annotated[str, BeforeValidator(_lowercase)]
    virtual_machine_configuration: dict[str, Any] | None = None
    task_slots_per_node: Annotated[int, Field(ge=1, le=256)] = 1
    task_scheduling_policy: dict[str, Any] = Field(default_factory=_default_policy)
    target_dedicated_nodes: Annotated[int, Field(ge=0)] = 0
    target_low_priority_nodes: Annotated[int, Field(ge=0)] = 0
    enable_auto_scale: bool = False
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Duration | None = None
    metadata: tuple[NameValue, ...] | None = None

    @model_validator(mode="after")
    def _check_sizing(self) -> "PoolSpec":
        if self.enable_auto_scale and (self.target_dedicated_nodes or self.target_low_priority_nodes):
            raise ValueError("a pool has either enableAutoScale with autoScaleFormula or target node counts, not both")
        if self.enable_auto_scale and not self.auto_scale_formula:
            raise ValueError("enableAutoScale needs autoScaleFormula")
        return self


class PoolResize(WireModel):
    """Body of POST /pools/{id}/resize; an absent target stays unchanged, `resizeTimeout` has no effect here."""

    target_dedicated_nodes: Annotated[int, Field(ge=0)] | None = None
    target_low_priority_nodes: Annotated[int, Field(ge=0)] | None = None
    resize_timeout: Duration | None = None
    node_deallocation_option: Annotated[
        Literal["requeue", "terminate", "taskcompletion"], BeforeValidator(_lowercase)
    ] = "requeue"


class AutoScaleEnable(WireModel):
    """Body of POST /pools/{id}/enableautoscale."""

    auto_scale_formula: Annotated[str, StringConstraints(max_length=8192)] | None = None
    auto_scale_evaluation_interval: Duration | None = None


class AutoScaleEvaluate(WireModel):
    """Body of POST /pools/{id}/evaluateautoscale."""

    auto_scale_formula: Annotated[str, StringConstraints(max_length=8192)]
