"""Azure Batch in the few verbs that a run needs; the only importer of `azure.batch`.

Words of the service are compared casefolded: it answers "ClientError" and "UserError" where the SDK's enumerations
say "clienterror" and "usererror", and create_tasks() drops per-task errors on that account. Collections are sent
here in hundreds, and the error of each task is looked at.
https://learn.microsoft.com/python/api/azure-batch/azure.batch.batchclient
"""

import base64
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from azure.batch import BatchClient
from azure.batch import models as m
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from frame_tools.contracts import ids
from frame_tools.contracts.errors import TemporaryError
from orchestration.azure_batch.pool import NodeCounts, PoolError, PoolView, SupportedAgent
from orchestration.azure_batch.task_spec import TaskSpec
from orchestration.settings import Settings

COLLECTION: Final = 100
"""Tasks in one call: the service's own limit."""
RETENTION: Final = dt.timedelta(days=1)
LOCAL_KEY: Final = AzureNamedKeyCredential("impastolocal", base64.b64encode(b"no secret: loopback only").decode())
_CLOSED: Final = {"jobcompleted", "jobbeingterminated", "jobbeingdeleted", "jobnotfound", "jobdisabled"}

Placed = Literal["added", "exists", "job closed"]


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """What we look at in a Batch task."""

    task_id: str
    state: str
    """active, preparing, running or completed."""
    succeeded: bool
    exit_code: int | None
    trouble: str
    """Batch's own words for a failure, one line, else empty."""

    @property
    def alive(self) -> bool:
        """Whether the task has still something to do."""
        return self.state != "completed"


class BatchService:
    """The account's Batch service, seen from one pool."""

    def __init__(self, settings: Settings, *, logs_url: str) -> None:
        credential = LOCAL_KEY if settings.batch_is_local else DefaultAzureCredential()
        self._client = BatchClient(endpoint=settings.batch_endpoint, credential=credential)
        self._pool_id = settings.batch_pool_id
        self._identity = settings.batch_pool_identity
        self._logs_url = logs_url
        self._run_limit = dt.timedelta(hours=settings.run_hours)

    def ensure_job(self, job_id: str, *, correlation_id: str) -> bool:
        """Create the job unless it exists; returns whether it takes tasks. It ends only when we say so."""
        job = m.BatchJobCreateOptions(
            id=job_id,
            pool_info=m.BatchPoolInfo(pool_id=self._pool_id),
            constraints=m.BatchJobConstraints(max_wall_clock_time=self._run_limit),
            all_tasks_complete_mode=m.BatchAllTasksCompleteMode.NO_ACTION,
            metadata=[m.BatchMetadataItem(name="correlation_id", value=correlation_id)],
        )
        try:
            self._client.create_job(job)
        except ResourceExistsError as error:
            if _code(error) != "jobexists":
                raise TemporaryError(f"Batch refused the job {job_id}: {_words(error)}", "Try again") from error
            return self.job_is_open(job_id)
        return True

    def job_is_open(self, job_id: str) -> bool:
        """Whether the job is there and takes tasks. Tasks of one that was terminated may be "active" for ever."""
        try:
            return _word(self._client.get_job(job_id).state) == "active"
        except ResourceNotFoundError:
            return False

    def add_task(self, job_id: str, spec: TaskSpec) -> Placed:
        """Add one task; "exists" where its id is taken, "job closed" where the job takes no more."""
        try:
            self._client.create_task(job_id, self._task(spec))
        except (ResourceExistsError, ResourceNotFoundError) as error:
            return self._refusal(_code(error), _words(error))
        return "added"

    def add_tasks(self, job_id: str, specs: Sequence[TaskSpec]) -> Placed:
        """Add many tasks, each unless it exists; "job closed" as soon as one is refused for that."""
        for start in range(0, len(specs), COLLECTION):
            group = m.BatchTaskGroup(task_values=[self._task(spec) for spec in specs[start : start + COLLECTION]])
            try:
                answers = self._client.create_task_collection(job_id, group).result_values
            except (ResourceExistsError, ResourceNotFoundError) as error:
                return self._refusal(_code(error), _words(error))
            for answer in answers or []:
                if answer.error is not None:
                    message = answer.error.message.value if answer.error.message else ""
                    if self._refusal(str(answer.error.code).casefold(), f"{answer.task_id}: {message}") == "job closed":
                        return "job closed"
        return "added"

    @staticmethod
    def _refusal(code: str, words: str) -> Placed:
        if code == "taskexists":
            return "exists"
        if code in _CLOSED:
            return "job closed"
        raise TemporaryError(f"Batch refused a task: {words}", "It is tried again; look at the pool if it goes on")

    def tasks(self, job_id: str) -> list[TaskView]:
        """Return all tasks of a job, none if the job is not there."""
        try:
            return [_view(t) for t in self._client.list_tasks(job_id, select=["id", "state", "executionInfo"])]
        except ResourceNotFoundError:
            return []

    def reactivate(self, job_id: str, task_id: str) -> bool:
        """Start a failed task anew with all its retries; False if it is not in a state for that."""
        try:
            self._client.reactivate_task(job_id, task_id)
        except (ResourceExistsError, ResourceNotFoundError):
            return False
        return True

    def terminate_job(self, job_id: str, reason: str) -> None:
        """Stop a job's tasks and free its place in the quota; one that has ended or is not there is left."""
        try:
            # A body is needed (the SDK refuses to send none), and the poller it returns is dropped on purpose.
            self._client.begin_terminate_job(job_id, options=cast(Any, {"terminateReason": reason}))
        except (ResourceExistsError, ResourceNotFoundError):
            return

    def pool(self) -> PoolView | None:
        """Return the pool as Batch describes it, None if there is none."""
        try:
            return _pool_view(self._client.get_pool(self._pool_id))
        except ResourceNotFoundError:
            return None

    def node_counts(self) -> NodeCounts:
        """Return how many of the pool's nodes are in which state."""
        answers = self._client.list_pool_node_counts(filter=f"poolId eq '{self._pool_id}'")
        counts = [kind for one in answers for kind in (one.dedicated, one.low_priority) if kind is not None]
        return NodeCounts(
            total=sum(c.total for c in counts),
            idle=sum(c.idle for c in counts),
            running=sum(c.running for c in counts),
            starting=sum(c.creating + c.starting + c.rebooting + c.waiting_for_start_task for c in counts),
            unusable=sum(c.unusable for c in counts),
            start_task_failed=sum(c.start_task_failed for c in counts),
            preempted=sum(c.preempted for c in counts),
        )

    def supported_agents(self) -> list[SupportedAgent]:
        """Return the node agents that Batch supports, each with the day when that ends, if it is set."""
        return [
            SupportedAgent(
                node_agent=str(image.node_agent_sku_id),
                ends_at=image.batch_support_end_of_life.date().isoformat() if image.batch_support_end_of_life else "",
            )
            for image in self._client.list_supported_images()
        ]

    def _task(self, spec: TaskSpec) -> m.BatchTaskCreateOptions:
        identity = m.BatchNodeIdentityReference(resource_id=self._identity) if self._identity else None
        output = m.OutputFile(
            file_pattern="../std*.txt",
            destination=m.OutputFileDestination(
                container=m.OutputFileBlobContainerDestination(
                    container_url=self._logs_url, path=spec.output_folder, identity_reference=identity
                )
            ),
            upload_options=m.OutputFileUploadConfiguration(
                upload_condition=m.OutputFileUploadCondition.TASK_COMPLETION
            ),
        )
        return m.BatchTaskCreateOptions(
            id=spec.task_id,
            command_line=spec.command,
            container_settings=m.BatchTaskContainerSettings(
                image_name=spec.image,
                container_run_options="--rm",
                # The task's own folder belongs to root; the image's user is another.
                working_directory=m.ContainerWorkingDirectory.CONTAINER_IMAGE_DEFAULT,
            ),
            environment_settings=[m.EnvironmentSetting(name=k, value=v) for k, v in spec.environment.items()],
            output_files=[output],
            constraints=m.BatchTaskConstraints(
                max_task_retry_count=spec.retries, max_wall_clock_time=spec.limit, retention_time=RETENTION
            ),
        )


def _pool_view(pool: m.BatchPool) -> PoolView:
    machine = pool.virtual_machine_configuration
    container = machine.container_configuration if machine else None
    identity = pool.identity
    errors = [
        PoolError(source="resize", code=str(error.code), message=str(error.message))
        for error in pool.resize_errors or []
    ]
    if pool.auto_scale_run and (error := pool.auto_scale_run.error):
        errors.append(PoolError(source="autoscale", code=str(error.code), message=str(error.message)))
    return PoolView(
        pool_id=str(pool.id),
        state=_word(pool.state),
        allocation_state=_word(pool.allocation_state),
        vm_size=str(pool.vm_size),
        slots=pool.task_slots_per_node or 1,
        nodes=pool.current_dedicated_nodes + pool.current_low_priority_nodes,
        node_agent=str(machine.node_agent_sku_id or "") if machine else "",
        takes_containers=container is not None,
        images=tuple(container.container_image_names or ()) if container else (),
        registries=tuple(str(r.registry_server or "docker.io") for r in container.container_registries or ())
        if container
        else (),
        identities=tuple(str(i.resource_id) for i in identity.user_assigned_identities or ()) if identity else None,
        mounts=tuple(_mounted_folders(pool.mount_configuration or ())),
        errors=tuple(errors),
    )


def _mounted_folders(mounts: Iterable[m.MountConfiguration]) -> Iterator[str]:
    for one in mounts:
        for kind in (one.azure_blob_file_system_configuration, one.nfs_mount_configuration):
            if kind is not None:
                yield str(kind.relative_mount_path)


def _view(task: m.BatchTask) -> TaskView:
    info = task.execution_info
    failure = info.failure_info if info else None
    return TaskView(
        task_id=str(task.id),
        state=_word(task.state),
        succeeded=_word(info.result if info else None) == "success",
        exit_code=info.exit_code if info else None,
        trouble=f"{failure.code}: {failure.message}" if failure else "",
    )


def _word(value: Any) -> str:
    return str(getattr(value, "value", value) or "").casefold()


def _code(error: HttpResponseError) -> str:
    return str(getattr(error.error, "code", "") or "").casefold()


def _words(error: HttpResponseError) -> str:
    return str(getattr(error.error, "message", "") or error.message).split("\n", 1)[0][:300]


def steps_of(tasks: Sequence[TaskView]) -> dict[int | str, list[tuple[int, TaskView]]]:
    """Group a job's tasks by step: attempts in rising order, tasks that are not ours left out."""
    grouped: dict[int | str, list[tuple[int, TaskView]]] = {}
    for task in tasks:
        if (parsed := ids.parse_task_id(task.task_id)) is not None:
            grouped.setdefault(parsed[0], []).append((parsed[1], task))
    return {step: sorted(attempts, key=lambda pair: pair[0]) for step, attempts in grouped.items()}
