"""The scheduler: starts pending tasks on free slots and applies the results of attempts to the tasks.

It does not poll: every event that may free a slot or add a task calls `schedule()`, which starts whatever fits.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from local_cloud.batch_service.contracts.requests import NameValue
from local_cloud.batch_service.contracts.serialization import now
from local_cloud.batch_service.execution.assignment import Placement, assign, pending_tasks
from local_cloud.batch_service.execution.attempt import Attempt, AttemptResult, AttemptRunner, CancelReason
from local_cloud.batch_service.execution.directories import NodeDirectory
from local_cloud.batch_service.state import transitions
from local_cloud.batch_service.state.models import FailureInfo, Node, Pool, Task, TaskNode
from local_cloud.batch_service.state.store import Store

_log = logging.getLogger(__name__)
_CLOSE_GRACE_S = 1.0  # grace period of the tasks when the service itself is stopped


class Scheduler:
    """The running attempts and the rules by which they start and end."""

    def __init__(
        self,
        store: Store,
        runner: AttemptRunner,
        *,
        nodes_folder: Path,
        task_completed: Callable[[str], None],
        may_start: Callable[[], bool],
    ) -> None:
        """`task_completed` is called with the job id after each completed task, `may_start` before each start."""
        self._store = store
        self._runner = runner
        self._nodes_folder = nodes_folder
        self._task_completed = task_completed
        self._may_start = may_start
        self._attempts: dict[tuple[str, str], Attempt] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def node_directory(self, pool_id: str, node_id: str) -> NodeDirectory:
        """Return the directories of a node."""
        return NodeDirectory(self._nodes_folder / pool_id.lower() / node_id)

    def attempts(
        self, *, job_id: str | None = None, pool_id: str | None = None, node_id: str | None = None
    ) -> list[Attempt]:
        """Return the running attempts of a job or on a node."""
        return [
            attempt
            for attempt in self._attempts.values()
            if (job_id is None or attempt.job_id.lower() == job_id.lower())
            and (pool_id is None or attempt.pool_id.lower() == pool_id.lower())
            and (node_id is None or attempt.node_id == node_id)
        ]

    def attempt(self, job_id: str, task_id: str) -> Attempt | None:
        """Return the running attempt of a task, or None."""
        return self._attempts.get((job_id.lower(), task_id.lower()))

    async def end(self, attempts: Iterable[Attempt], cancel_reason: CancelReason | None) -> None:
        """Cancel attempts (None: let them finish) and wait until none of their processes runs."""
        attempts = list(attempts)
        for attempt in attempts:
            if cancel_reason is not None:
                attempt.cancel(cancel_reason)
        for attempt in attempts:
            await attempt.over.wait()

    async def close(self) -> None:
        """Start nothing more and stop everything; tasks stay `running` on disk, and the next start requeues them."""
        self._closed = True
        for attempt in self._attempts.values():
            attempt.cancel(CancelReason.DROPPED, grace_s=_CLOSE_GRACE_S)
        while self._running:
            await asyncio.wait(self._running)

    def schedule(self) -> None:
        """Start every pending task for which there is a free slot."""
        if self._closed:
            return
        for pool in self._store.pools():
            pool_jobs = (job for job in self._store.jobs() if job.pool_info.pool_id.lower() == pool.id.lower())
            jobs = [job for job in pool_jobs if job.state == "active"]
            entries = [(job, self._store.tasks(job.id), len(self.attempts(job_id=job.id))) for job in jobs]
            pack = str(pool.task_scheduling_policy.get("nodeFillType", "")).lower() == "pack"
            for placement in assign(pending_tasks(entries), self._free_slots(pool), pack=pack):
                if self._may_start():
                    self._start(placement, pool)

    def _free_slots(self, pool: Pool) -> dict[str, int]:
        usable = (node for node in pool.nodes if node.state in ("idle", "running"))
        return {
            node.id: pool.task_slots_per_node
            - sum(attempt.slots for attempt in self.attempts(pool_id=pool.id, node_id=node.id))
            for node in usable
        }

    def _start(self, placement: Placement, pool: Pool) -> None:
        pending = placement.pending
        job = self._store.job(pending.job_id)
        task = self._store.task(job.id, pending.task_id)
        place = self._place(job.id, task, pool_id=pool.id, node_id=placement.node_id)
        task = transitions.task_started(task, place, at=now())
        attempt = Attempt(job_id=job.id, task=task, pool_id=pool.id, node_id=placement.node_id)
        self._attempts[job.id.lower(), task.id.lower()] = attempt
        self._store.put_task(job.id, task)
        self._update_node(pool.id, placement.node_id)
        attempt_run = asyncio.create_task(self._run(attempt))
        self._running.add(attempt_run)
        attempt_run.add_done_callback(self._running.discard)

    def _place(self, job_id: str, task: Task, *, pool_id: str, node_id: str) -> TaskNode:
        node_url = f"{self._runner.account_url}/pools/{pool_id}/nodes/{node_id}"
        directory = f"workitems/{job_id}/job-1/{task.id}"
        return TaskNode(
            affinity_id=f"TVM:{node_id}",
            node_url=node_url,
            pool_id=pool_id,
            node_id=node_id,
            task_root_directory=directory,
            task_root_directory_url=f"{node_url}/files/{directory}",
        )

    async def _run(self, attempt: Attempt) -> None:
        job = self._store.job(attempt.job_id)
        task = self._store.task(attempt.job_id, attempt.task_id)
        directory = self.node_directory(attempt.pool_id, attempt.node_id)
        node = next(node for node in self._store.pool(attempt.pool_id).nodes if node.id == attempt.node_id)
        try:
            result = await self._runner.run(attempt, job=job, task=task, node=directory, dedicated=node.is_dedicated)
        except Exception as error:
            # A full disk or a bug must cost one task, with its reason, and never the service.
            _log.exception("job %s, task %s: the attempt failed unexpectedly", attempt.job_id, attempt.task_id)
            result = AttemptResult(None, _unknown_failure(error))
        self._finish(attempt, result)

    def _finish(self, attempt: Attempt, result: AttemptResult) -> None:
        before = self._store.task(attempt.job_id, attempt.task_id)
        after = _next_task(before, attempt.cancel_reason, result)
        if after is not None:
            self._store.put_task(attempt.job_id, after)
        del self._attempts[attempt.job_id.lower(), attempt.task_id.lower()]
        completed = after is not None and after.state == "completed"
        succeeded = completed and after is not None and after.execution_info.result == "success"
        self._update_node(attempt.pool_id, attempt.node_id, run=completed, succeeded=succeeded)
        attempt.over.set()
        if completed:
            self._task_completed(attempt.job_id)
        self.schedule()

    def _update_node(self, pool_id: str, node_id: str, *, run: bool = False, succeeded: bool = False) -> None:
        pool = self._store.pool(pool_id)
        busy = bool(self.attempts(pool_id=pool_id, node_id=node_id))
        nodes = tuple(
            _counted(node, busy=busy, run=run, succeeded=succeeded) if node.id == node_id else node
            for node in pool.nodes
        )
        self._store.put_pool(pool.model_copy(update={"nodes": nodes}))


def _next_task(task: Task, cancel_reason: CancelReason | None, result: AttemptResult) -> Task | None:
    """Return the task after an attempt; None if the task must not be changed."""
    moment = now()
    match cancel_reason:
        case CancelReason.DROPPED:
            return None
        case CancelReason.TERMINATED:
            return transitions.task_terminated(task, at=moment)
        case CancelReason.REQUEUED | CancelReason.EVICTED:
            return transitions.task_requeued(task, by_user=cancel_reason is CancelReason.REQUEUED, at=moment)
        case None if result.process_exit is not None:
            return transitions.task_ended(task, result.process_exit, upload_failure=result.failure, at=moment)
        case None:
            failure = result.failure or _unknown_failure(RuntimeError("the attempt gave no reason"))
            return transitions.task_failed(task, failure, at=moment)


def _counted(node: Node, *, busy: bool, run: bool, succeeded: bool) -> Node:
    change: dict[str, object] = {
        "total_tasks_run": node.total_tasks_run + run,
        "total_tasks_succeeded": node.total_tasks_succeeded + succeeded,
    }
    state = "running" if busy else "idle"
    if node.state in ("idle", "running") and node.state != state:
        change |= {"state": state, "state_transition_time": now()}
    return node.model_copy(update=change)


def _unknown_failure(error: Exception) -> FailureInfo:
    details = (NameValue(name="Message", value=f"{type(error).__name__}: {error}"),)
    message = "An unknown scheduling error has occurred"
    return FailureInfo(category="ServerError", code="Unknown", message=message, details=details)
