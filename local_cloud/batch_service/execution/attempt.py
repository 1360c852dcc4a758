"""One attempt at a task: fresh directory, resource files, process, output files. It only reports the result.

A task's image name selects its environment and its container. The pools of this service are container pools. A task
without container settings fails as in Azure (ContainerTaskSettingsNotFound, seen in user reports), and so does a task
whose image no `--image` option declares (ContainerInvalidImage); both without a process, an exit code or a retry.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from local_cloud.batch_service.contracts.requests import NameValue
from local_cloud.batch_service.contracts.serialization import UNLIMITED
from local_cloud.batch_service.execution import file_transfer
from local_cloud.batch_service.execution.directories import NodeDirectory, TaskDirectory, task_environment
from local_cloud.batch_service.execution.fork_server import ForkServer
from local_cloud.batch_service.execution.image import Image
from local_cloud.batch_service.execution.process import (
    GRACE_S,
    LaunchError,
    StartInContainer,
    StopSignal,
    run_process,
)
from local_cloud.batch_service.execution.process_registry import ProcessRegistry
from local_cloud.batch_service.state.models import FailureInfo, Job, ProcessExit, Task


class CancelReason(Enum):
    """What happens to a task whose attempt is canceled."""

    TERMINATED = auto()
    REQUEUED = auto()
    EVICTED = auto()
    DROPPED = auto()


class Attempt:
    """A task on a node, from its start until none of its processes runs any more."""

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
        """Cancel the attempt; only the first reason counts.

        `grace_s` is the time from SIGTERM to SIGKILL. None means Batch's, or 0 for a lost node or a deleted task.
        """
        if self.cancel_reason is None:
            self.cancel_reason = cancel_reason
            hard = cancel_reason in (CancelReason.EVICTED, CancelReason.DROPPED)
            default = 0.0 if hard else GRACE_S
            self.stop_signal.request(grace_s=default if grace_s is None else grace_s)


@dataclass(frozen=True)
class AttemptResult:
    """The result of an attempt: the process's exit, if there was a process, and any failure besides it."""

    process_exit: ProcessExit | None
    failure: FailureInfo | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptRunner:
    """Runs attempts; holds the images by name, the folder of containers, the process registry and the service's URL."""

    images: Mapping[str, Image]
    containers: Path
    """Folder for what tasks in containers write to /tmp; removed with the container."""
    registry: ProcessRegistry
    account_url: str
    fork_servers: Mapping[str, ForkServer] = field(default_factory=dict)
    """By the name of their image."""

    async def run(
        self, attempt: Attempt, *, job: Job, task: Task, node: NodeDirectory, dedicated: bool
    ) -> AttemptResult:
        """Run one attempt to its end. File transfers are not interrupted; they have their own timeouts."""
        image = self._image(task)
        if isinstance(image, FailureInfo):
            return AttemptResult(None, image)
        environment = task_environment(
            image.environment,
            job=job,
            task=task,
            account_url=self.account_url,
            node=image.node_directory(node),
            dedicated=dedicated,
        )
        directory = node.task(job.id, task.id)
        try:
            await asyncio.to_thread(_prepare, task, directory=directory, environment=environment)
            limit = task.constraints.max_wall_clock_time
            with self._container(image, node) as container:
                process_exit = await run_process(
                    task.command_line,
                    attempt=f"{job.id}.{task.id}".lower(),
                    directory=directory,
                    environment=environment,
                    wall_clock_s=None if limit >= UNLIMITED else limit.total_seconds(),
                    stop_signal=attempt.stop_signal,
                    registry=self.registry,
                    container=container,
                    fork_server=self._fork_server(task),
                )
        except (file_transfer.TransferError, LaunchError) as error:
            return AttemptResult(None, error.failure)
        if attempt.cancel_reason in (None, CancelReason.TERMINATED):
            return await _upload(task, process_exit, directory=directory, environment=environment)
        return AttemptResult(process_exit)

    @contextmanager
    def _container(self, image: Image, node: NodeDirectory) -> Iterator[StartInContainer | None]:
        """Yield what turns a command into one in a container of the image, or None for a task without a container."""
        if image.container is None:
            yield None
            return
        container = image.container
        self.containers.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.containers, ignore_cleanup_errors=True) as folder:
            temporary = Path(folder)
            temporary.chmod(0o1777)
            yield lambda arguments: container.command(arguments, node=node, temporary=temporary)

    def _fork_server(self, task: Task) -> ForkServer | None:
        settings = task.container_settings
        return None if settings is None else self.fork_servers.get(settings.image_name)

    def _image(self, task: Task) -> Image | FailureInfo:
        if task.container_settings is None:
            return _container_failure(
                "ContainerTaskSettingsNotFound", "Container-enabled compute node requires task container settings"
            )
        name = task.container_settings.image_name
        if name not in self.images:
            remedy = f"no --image option declares {name!r}; declared images: {', '.join(sorted(self.images)) or 'none'}"
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
