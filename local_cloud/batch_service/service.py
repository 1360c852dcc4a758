"""The whole service behind its routes: construction, startup, housekeeping and shutdown."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_cloud.batch_service.background import Background
from local_cloud.batch_service.contracts.errors import BatchError
from local_cloud.batch_service.execution.attempt import Attempt, AttemptRunner
from local_cloud.batch_service.execution.fork_server import ForkServer
from local_cloud.batch_service.execution.image import Image
from local_cloud.batch_service.execution.process_registry import ProcessRegistry
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.faults import Faults, OutputTrigger
from local_cloud.batch_service.operations.jobs import Jobs
from local_cloud.batch_service.operations.nodes import Nodes
from local_cloud.batch_service.operations.pools import Pools
from local_cloud.batch_service.operations.tasks import Tasks
from local_cloud.batch_service.state.models import Task
from local_cloud.batch_service.state.store import Store

_HOUSEKEEPING_S = 0.5  # interval of the checks for job time limits and file retention
_WATCH_S = 0.05  # interval of the checks of task output, only while a fault waits for it


@dataclass(frozen=True, kw_only=True)
class PoolShape:
    """A pool declared on the command line: number of nodes and slots per node."""

    nodes: int
    slots: int


class BatchService:
    """Jobs, tasks and pools of one data folder."""

    def __init__(
        self,
        data: Path,
        *,
        images: Mapping[str, Image],
        base_url: str,
        job_quota: int | None = None,
        boot_seconds: float = 0.0,
    ) -> None:
        """Open the folder; `images` are the images that tasks may name.

        `job_quota` limits the number of jobs that are not completed; None means no limit. `boot_seconds` is the time
        that a new or returning node takes to start.
        """
        data = data.resolve()
        self.base_url = base_url
        self.faults = Faults()
        self.store = Store(data / "state")
        self.background = Background()
        self._images = tuple(images)
        self._registry = ProcessRegistry(data / "processes")
        self._fork_servers = {
            name: ForkServer(image.prepared, image.environment)
            for name, image in images.items()
            if image.prepared is not None
        }
        runner = AttemptRunner(
            images=images,
            containers=data / "containers",
            registry=self._registry,
            account_url=base_url,
            fork_servers=self._fork_servers,
        )
        self.scheduler = Scheduler(
            self.store,
            runner,
            nodes_folder=data / "nodes",
            task_completed=self._on_task_completed,
            may_start=self.faults.may_start_task,
        )
        self.nodes = Nodes(self.store, self.scheduler, self.background, boot_seconds=boot_seconds)
        self.pools = Pools(self.store, self.scheduler, self.nodes, self.background)
        self.jobs = Jobs(self.store, self.scheduler, self.background, quota=job_quota)
        self.tasks = Tasks(self.store, self.scheduler, self.jobs, self.faults)

    def start(self, pools: Mapping[str, PoolShape]) -> None:
        """Resume after an earlier process: kill its tasks, requeue them, finish its operations; then schedule."""
        self._registry.kill_orphans()
        self.tasks.requeue_orphans()
        self.pools.resume()
        for pool_id, shape in pools.items():
            self.pools.declare(pool_id, nodes=shape.nodes, slots=shape.slots, images=self._images)
        self.jobs.resume()
        self.background.start(self._run_housekeeping())
        self.background.start(self._watch_outputs())
        self.scheduler.schedule()

    async def stop(self) -> None:
        """Stop all task processes; the state stays on disk."""
        await self.background.close()
        await self.scheduler.close()
        for server in self._fork_servers.values():
            await server.close()

    async def prepare(self) -> None:
        """Start the processes that tasks are forked from; they import in the background."""
        for server in self._fork_servers.values():
            await server.start()

    def _on_task_completed(self, job_id: str) -> None:
        self.jobs.end_if_all_complete(job_id)

    async def _run_housekeeping(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_S)
            self.jobs.terminate_expired()
            self.tasks.remove_expired_folders()

    async def _watch_outputs(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S)
            if not any(isinstance(fault, OutputTrigger) for fault in self.faults.pending()):
                continue
            for attempt in self.scheduler.attempts():
                output = self._output(self.store.task(attempt.job_id, attempt.task_id), attempt.job_id)
                fault = self.faults.match_output(attempt.task_id, output)
                if fault is not None and self._apply_output_trigger(attempt, fault):
                    self.faults.remove(fault)

    def _apply_output_trigger(self, attempt: Attempt, fault: OutputTrigger) -> bool:
        """Apply a fault. Return False if the process has ended or its node is already leaving."""
        if fault.kind == "preempt_when":
            return self._try_preempt(attempt.node_id)
        if attempt.stop_signal.has_listener:
            attempt.stop_signal.request(grace_s=0)
            return True
        return False

    def _try_preempt(self, node_id: str) -> bool:
        try:
            self.nodes.preempt(node_id)
        except BatchError:
            return False
        return True

    def _output(self, task: Task, job_id: str) -> str:
        if task.node_info is None:
            return ""
        node = self.scheduler.node_directory(task.node_info.pool_id, task.node_info.node_id)
        try:
            return node.task(job_id, task.id).stdout.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
