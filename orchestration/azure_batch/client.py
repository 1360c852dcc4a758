"""The Azure Batch operations that a run needs; with `answers`, the only module that imports `azure.batch`.

Enumeration values of the service are compared casefolded: it returns "ClientError" and "UserError" where the SDK's
enumerations have "clienterror" and "usererror", which makes the SDK's create_tasks() drop per-task errors. Therefore
collections of up to 100 tasks are sent from here, and the error of each task is checked.
https://learn.microsoft.com/python/api/azure-batch/azure.batch.batchclient
"""

import base64
import datetime as dt
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar, cast

from azure.batch import BatchClient
from azure.batch import models as m
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError

from frame_tools.contracts.errors import TemporaryError
from frame_tools.storage.patience import BACKGROUND, Patience
from orchestration.azure_batch.answers import lower_case, node_view, pool_view, task_view
from orchestration.azure_batch.pool import NodeCounts, NodeView, PoolView, SupportedAgent
from orchestration.azure_batch.ports import JobView, SubmitResult, TaskView
from orchestration.azure_batch.task_spec import TaskSpec
from orchestration.service_errors import service_error
from orchestration.settings import Settings

MAX_COLLECTION: Final = 100
"""Maximum number of tasks in one request; a limit of the service."""
MAX_NODES: Final = 1000
"""Nodes in one answer; a limit of the service."""
NODE_PROPERTIES: Final = [
    *("id", "state", "isDedicated", "runningTasksCount", "recentTasks"),
    *("allocationTime", "startTaskInfo", "errors"),
]
RETENTION: Final = dt.timedelta(days=1)
"""How long nodes keep the files of a completed task."""
LOCAL_KEY: Final = AzureNamedKeyCredential("impastolocal", base64.b64encode(b"no secret: loopback only").decode())
_JOB_CLOSED_CODES: Final = {"jobcompleted", "jobbeingterminated", "jobbeingdeleted", "jobnotfound", "jobdisabled"}


P = ParamSpec("P")
R = TypeVar("R")


def _reports_outages(call: Callable[P, R]) -> Callable[P, R]:
    """Raise errors of the service that the method does not handle as `service_error` describes them."""

    @wraps(call)
    def wrapper(*args: P.args, **options: P.kwargs) -> R:
        try:
            return call(*args, **options)
        except AzureError as error:
            raise service_error(error, "Azure Batch") from error

    return wrapper


class BatchService:
    """Client of the account's Batch service for one pool."""

    def __init__(self, settings: Settings, *, logs_url: str, patience: Patience = BACKGROUND) -> None:
        credential = LOCAL_KEY if settings.batch_is_local else _default_credential()
        self._client = BatchClient(
            endpoint=settings.batch_endpoint,
            credential=credential,
            retry_total=patience.retries,
            retry_backoff_factor=patience.first_pause / 2,  # no pause, then twice as long, four times, …
            connection_timeout=patience.connect_seconds,
            read_timeout=patience.read_seconds,
        )
        self._pool_id = settings.batch_pool_id
        self._identity = settings.batch_pool_identity
        self._logs_url = logs_url
        self._run_limit = dt.timedelta(hours=settings.run_hours)

    @_reports_outages
    def ensure_job(self, job_id: str, *, correlation_id: str, priority: int, limit: dt.timedelta | None = None) -> bool:
        """Create the job unless it exists; return whether it accepts tasks.

        It ends by `terminate_job`, or after `limit`, by default the time limit of a run. Raises TemporaryError if Batch
        rejects the job.
        """
        job = m.BatchJobCreateOptions(
            id=job_id,
            priority=priority,
            pool_info=m.BatchPoolInfo(pool_id=self._pool_id),
            constraints=m.BatchJobConstraints(max_wall_clock_time=limit or self._run_limit),
            all_tasks_complete_mode=m.BatchAllTasksCompleteMode.NO_ACTION,
            metadata=[m.BatchMetadataItem(name="correlation_id", value=correlation_id)],
        )
        try:
            self._client.create_job(job)
        except ResourceExistsError as error:
            if _code(error) != "jobexists":
                raise TemporaryError(f"Batch rejected the job {job_id}: {_message(error)}", "Try again") from error
            return self.job_is_open(job_id)
        return True

    @_reports_outages
    def job_is_open(self, job_id: str) -> bool:
        """Return whether the job exists and accepts tasks. Tasks of a terminated job may stay "active" forever."""
        job = self.job(job_id)
        return job is not None and job.is_open

    @_reports_outages
    def job(self, job_id: str) -> JobView | None:
        """Return a job, or None if it does not exist."""
        try:
            job = self._client.get_job(job_id)
        except ResourceNotFoundError:
            return None
        return JobView(is_open=lower_case(job.state) == "active", priority=job.priority or 0)

    @_reports_outages
    def set_priority(self, job_id: str, priority: int) -> None:
        """Change the priority of a job; does nothing if it has ended or does not exist."""
        try:
            self._client.update_job(job_id, m.BatchJobUpdateOptions(priority=priority))
        except (ResourceExistsError, ResourceNotFoundError):
            return

    @_reports_outages
    def add_task(self, job_id: str, spec: TaskSpec) -> SubmitResult:
        """Add one task. Raises TemporaryError if Batch rejects it for another reason than those of `SubmitResult`."""
        try:
            self._client.create_task(job_id, self._create_options(spec))
        except (ResourceExistsError, ResourceNotFoundError) as error:
            return self._rejection(_code(error), _message(error))
        return SubmitResult.ADDED

    @_reports_outages
    def add_tasks(self, job_id: str, specs: Sequence[TaskSpec]) -> SubmitResult:
        """Add many tasks, skipping those that exist; JOB_CLOSED as soon as one is rejected for that reason."""
        outcome = SubmitResult.ADDED
        for start in range(0, len(specs), MAX_COLLECTION):
            chunk = specs[start : start + MAX_COLLECTION]
            group = m.BatchTaskGroup(task_values=[self._create_options(spec) for spec in chunk])
            try:
                results = self._client.create_task_collection(job_id, group).result_values
            except (ResourceExistsError, ResourceNotFoundError) as error:
                return self._rejection(_code(error), _message(error))
            for result in results or []:
                if result.error is not None:
                    message = result.error.message.value if result.error.message else ""
                    code = str(result.error.code).casefold()
                    outcome = self._rejection(code, f"{result.task_id}: {message}")
                    if outcome is SubmitResult.JOB_CLOSED:
                        return outcome
        return outcome

    @staticmethod
    def _rejection(code: str, message: str) -> SubmitResult:
        if code == "taskexists":
            return SubmitResult.EXISTS
        if code in _JOB_CLOSED_CODES:
            return SubmitResult.JOB_CLOSED
        raise TemporaryError(f"Batch rejected a task: {message}", "It is retried; check the pool if this persists")

    @_reports_outages
    def tasks(self, job_id: str) -> list[TaskView]:
        """Return all tasks of a job; empty if the job does not exist."""
        try:
            return [task_view(t) for t in self._client.list_tasks(job_id, select=["id", "state", "executionInfo"])]
        except ResourceNotFoundError:
            return []

    @_reports_outages
    def file_tail(self, job_id: str, task_id: str, name: str, *, limit: int) -> bytes | None:
        """Return the last bytes, at most `limit`, of a task's file on its node; None if it is not there (any more)."""
        try:
            size = self._client.get_task_file_properties(job_id, task_id, name).content_length
            if not size:
                return b""
            part = f"bytes={max(0, size - limit)}-{size - 1}"
            return b"".join(self._client.download_task_file(job_id, task_id, name, ocp_range=part))
        except (ResourceExistsError, ResourceNotFoundError):  # 409: the task has no node yet, or its node is gone
            return None

    @_reports_outages
    def reactivate(self, job_id: str, task_id: str) -> bool:
        """Restart a failed task with all its retries; return False if its state does not allow that."""
        try:
            self._client.reactivate_task(job_id, task_id)
        except (ResourceExistsError, ResourceNotFoundError):
            return False
        return True

    @_reports_outages
    def terminate_job(self, job_id: str, reason: str) -> None:
        """Terminate a job and its tasks, which frees its quota; does nothing if it has ended or does not exist."""
        try:
            # The SDK requires a body. The returned poller is ignored on purpose.
            self._client.begin_terminate_job(job_id, options=cast(Any, {"terminateReason": reason}))
        except (ResourceExistsError, ResourceNotFoundError):
            return

    @_reports_outages
    def pool(self) -> PoolView | None:
        """Return the pool, or None if it does not exist."""
        try:
            return pool_view(self._client.get_pool(self._pool_id))
        except ResourceNotFoundError:
            return None

    @_reports_outages
    def node_counts(self) -> NodeCounts:
        """Return the pool's nodes by state."""
        pools = self._client.list_pool_node_counts(filter=f"poolId eq '{self._pool_id}'")
        counts = [kind for pool in pools for kind in (pool.dedicated, pool.low_priority) if kind is not None]
        return NodeCounts(
            total=sum(c.total for c in counts),
            idle=sum(c.idle for c in counts),
            running=sum(c.running for c in counts),
            starting=sum(c.creating + c.starting + c.rebooting + c.waiting_for_start_task for c in counts),
            unusable=sum(c.unusable for c in counts),
            start_task_failed=sum(c.start_task_failed for c in counts),
            preempted=sum(c.preempted for c in counts),
        )

    @_reports_outages
    def nodes(self, *, limit: int) -> list[NodeView]:
        """Return the pool's nodes, at most `limit`, in the order of their ids; empty if the pool does not exist."""
        try:
            listed = self._client.list_nodes(self._pool_id, max_results=min(limit, MAX_NODES), select=NODE_PROPERTIES)
            return sorted(map(node_view, islice(listed, limit)), key=lambda node: node.node_id)
        except ResourceNotFoundError:
            return []

    @_reports_outages
    def supported_agents(self) -> list[SupportedAgent]:
        """Return the node agents that Batch supports, each with the end date of its support, if there is one."""
        return [
            SupportedAgent(
                node_agent=str(image.node_agent_sku_id),
                ends_at=image.batch_support_end_of_life.date().isoformat() if image.batch_support_end_of_life else "",
            )
            for image in self._client.list_supported_images()
        ]

    def _create_options(self, spec: TaskSpec) -> m.BatchTaskCreateOptions:
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
                # The task's own folder is owned by root, which is not the image's user.
                working_directory=m.ContainerWorkingDirectory.CONTAINER_IMAGE_DEFAULT,
            ),
            environment_settings=[m.EnvironmentSetting(name=k, value=v) for k, v in spec.environment.items()],
            output_files=[output],
            constraints=m.BatchTaskConstraints(
                max_task_retry_count=spec.retries, max_wall_clock_time=spec.limit, retention_time=RETENTION
            ),
        )


def _default_credential() -> TokenCredential:
    """Return the app's identity. Its import takes CPU time at the start that the local cloud does not need."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _code(error: HttpResponseError) -> str:
    return str(getattr(error.error, "code", "") or "").casefold()


def _message(error: HttpResponseError) -> str:
    return str(getattr(error.error, "message", "") or error.message).split("\n", 1)[0][:300]
