"""One attempt at a task: fresh folder, resource files, process, output files. It reports and decides nothing.

A task's image name picks its environment. The pool of this service is a container pool, so a task without container
settings fails as it does there (ContainerTaskSettingsNotFound, seen in reports of users), and so does one whose
image no ``--image`` declares (ContainerInvalidImage); both before any process, without exit code and without retry.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from local_cloud.batch_service.contracts.requests import NameValue
from local_cloud.batch_service.contracts.serialization import UNLIMITED
from local_cloud.batch_service.execution import file_transfer
from local_cloud.batch_service.execution.directories import NodeDirectory, TaskDirectory, task_environment
from local_cloud.batch_service.execution.process import GRACE_S, LaunchError, StopSignal, run_process
from local_cloud.batch_service.execution.process_registry import ProcessRegistry
from local_cloud.batch_service.state.models import FailureInfo, Job, ProcessExit, Task


class CancelReason(Enum):
    """What becomes of a task whose attempt was called off."""

    TERMINATED = auto()
    REQUEUED = auto()
    EVICTED = auto()
    DROPPED = auto()


class Attempt:
    """A task that is on a node, from its start until nothing of it runs any more."""

    def __init__(self, *, job_id: str, task: Task, pool_id: str, node_id: str) -> None:
        self.job_id = job_id
        self.task_id = task.id
        self.pool_id = pool_id
        self.node_id = node_id
        self.slots = task.required_slots
        self.stop_signal = StopSignal()
        self.cancel_reason: CancelReason | None = None
        self.over = asyncio.Event()

    def cancel(self, cancel_reason: CancelReason, *, grace_s: float | None = None) -> None:
        """End the attempt; the first verdict counts.

        ``grace_s`` is the time from SIGTERM to SIGKILL; None: none for a lost node or a deleted task, else Batch's.
        """
        if self.cancel_reason is None:
            self.cancel_reason = cancel_reason
            hard = cancel_reason in (CancelReason.EVICTED, CancelReason.DROPPED)
            default = 0.0 if hard else GRACE_S
            self.stop_signal.request(grace_s=default if grace_s is None else grace_s)


@dataclass(frozen=True)
class AttemptResult:
    """How an attempt went: the process's end if there was one, and what failed around it."""

    process_exit: ProcessExit | None
    failure: FailureInfo | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRunner:
    """What every attempt needs of the service: the images' environments by name, the ledger, the service's URL."""

    images: Mapping[str, Mapping[str, str]]
    registry: ProcessRegistry
    account_url: str

    async def run(
        self, attempt: Attempt, *, job: Job, task: Task, node: NodeDirectory, dedicated: bool
    ) -> AttemptResult:
        """Run one attempt to its end. Transfers of files are not interrupted; they have time limits of their own."""
        image = self._image_environment(task)
        if isinstance(image, FailureInfo):
            return AttemptResult(None, image)
        environment = task_environment(
            image, job=job, task=task, account_url=self.account_url, node=node, dedicated=dedicated
        )
        directory = node.task(job.id, task.id)
        try:
            await asyncio.to_thread(_prepare, task, directory=directory, environment=environment)
            limit = task.constraints.max_wall_clock_time
            process_exit = await run_process(
                task.command_line,
                attempt=f"{job.id}.{task.id}".lower(),
                directory=directory,
                environment=environment,
                wall_clock_s=None if limit >= UNLIMITED else limit.total_seconds(),
                stop_signal=attempt.stop_signal,
                registry=self.registry,
            )
        except (file_transfer.TransferError, LaunchError) as error:
            return AttemptResult(None, error.failure)
        if attempt.cancel_reason in (None, CancelReason.TERMINATED):
            return await _upload(task, process_exit, directory=directory, environment=environment)
        return AttemptResult(process_exit)

    def _image_environment(self, task: Task) -> Mapping[str, str] | FailureInfo:
        if task.container_settings is None:
            return _container_failure(
                "ContainerTaskSettingsNotFound", "Container-enabled compute node requires task container settings"
            )
        name = task.container_settings.image_name
        if name not in self.images:
            remedy = f"no --image declares {name!r}; declared: {', '.join(sorted(self.images)) or 'none'}"
            return _container_failure(
                "ContainerInvalidImage", "One or more container images are invalid", detail=remedy
            )
        return self.images[name]


def _prepare(task: Task, *, directory: TaskDirectory, environment: Mapping[str, str]) -> None:
    directory.make_fresh()
    file_transfer.download(task.resource_files or (), directory=directory, environment=environment)


async def _upload(
    task: Task, process_exit: ProcessExit, *, directory: TaskDirectory, environment: Mapping[str, str]
) -> AttemptResult:
    try:
        await asyncio.to_thread(
            file_transfer.upload,
            task.output_files or (),
            succeeded=process_exit.exit_code == 0 and not process_exit.timed_out,
            directory=directory,
            environment=environment,
        )
    except file_transfer.TransferError as error:
        return AttemptResult(process_exit, error.failure)
    return AttemptResult(process_exit)


def _container_failure(code: str, message: str, *, detail: str | None = None) -> FailureInfo:
    details = (NameValue(name="Message", value=detail),) if detail else None
    return FailureInfo(category="UserError", code=code, message=message, details=details)
