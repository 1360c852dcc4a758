"""Entities as response bodies: with URL and OData type, without the service's internal properties."""

from typing import Any

from local_cloud.batch_service.autoscale.values import FormulaError
from local_cloud.batch_service.contracts.errors import BatchError, error_body
from local_cloud.batch_service.contracts.serialization import format_time
from local_cloud.batch_service.execution.file_transfer import NODE_IDENTITY
from local_cloud.batch_service.execution.scheduler import Scheduler
from local_cloud.batch_service.state.models import Job, Node, Pool, Task

_NODE_STATES = (
    "creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting", "startTaskFailed",
    "leavingPool", "unknown", "unusable", "waitingForStartTask", "deallocated", "deallocating", "upgradingOS",
)  # fmt: skip


class EntitySerializer:
    """Creates response bodies; `base_url` is the service's address."""

    def __init__(self, base_url: str, scheduler: Scheduler) -> None:
        self._base_url = base_url
        self._scheduler = scheduler

    def metadata(self, kind: str) -> dict[str, str]:
        """Return the OData type property."""
        return {"odata.metadata": f"{self._base_url}/$metadata#{kind}"}

    def job(self, job: Job) -> dict[str, Any]:
        """Return a job."""
        return {"id": job.id, "url": self.job_url(job.id)} | job.to_wire()

    def job_url(self, job_id: str) -> str:
        """Return a job's URL."""
        return f"{self._base_url}/jobs/{job_id}"

    def task(self, job_id: str, task: Task) -> dict[str, Any]:
        """Return a task."""
        return {"id": task.id, "url": self.task_url(job_id, task.id)} | task.to_wire()

    def task_url(self, job_id: str, task_id: str) -> str:
        """Return a task's URL."""
        return f"{self.job_url(job_id)}/tasks/{task_id}"

    def added_item(self, job_id: str, task_id: str, result: Task | BatchError, *, request_id: str) -> dict[str, Any]:
        """Return an item of the response to addtaskcollection; its status is in PascalCase, as in the real service."""
        if isinstance(result, BatchError):
            status = "ServerError" if result.status >= 500 else "ClientError"
            error = error_body(result.code, request_id, values=result.values)
            return {"status": status, "taskId": task_id, "error": error}
        return {
            "status": "Success",
            "taskId": result.id,
            "eTag": result.e_tag,
            "lastModified": format_time(result.last_modified),
            "location": self.task_url(job_id, result.id),
        }

    def pool_url(self, pool_id: str) -> str:
        """Return a pool's URL."""
        return f"{self._base_url}/pools/{pool_id}"

    def pool(self, pool: Pool) -> dict[str, Any]:
        """Return a pool."""
        body = {"id": pool.id, "url": self.pool_url(pool.id)} | pool.to_wire()
        del body["nodes"], body["nodesMade"]
        dedicated = sum(node.is_dedicated for node in pool.nodes)
        return body | {
            "currentDedicatedNodes": dedicated,
            "currentLowPriorityNodes": len(pool.nodes) - dedicated,
            "enableInterNodeCommunication": False,
            "identity": {"type": "UserAssigned", "userAssignedIdentities": [{"resourceId": NODE_IDENTITY}]},
            "resizeTimeout": "PT15M",
        }

    def node(self, pool: Pool, node: Node) -> dict[str, Any]:
        """Return a node."""
        attempts = self._scheduler.attempts(pool_id=pool.id, node_id=node.id)
        return (
            {"id": node.id, "url": f"{self.pool_url(pool.id)}/nodes/{node.id}"}
            | node.to_wire()
            | {
                "affinityId": f"TVM:{node.id}",
                "ipAddress": "127.0.0.1",
                "schedulingState": "enabled",
                "vmSize": pool.vm_size,
                "recentTasks": [
                    {"jobId": attempt.job_id, "taskId": attempt.task_id, "taskState": "running"} for attempt in attempts
                ],
                "runningTasksCount": len(attempts),
                "runningTaskSlotsCount": sum(attempt.slots for attempt in attempts),
            }
        )

    def node_counts(self, pool: Pool) -> dict[str, Any]:
        """Return the number of a pool's nodes in each state."""
        return {
            "poolId": pool.id,
            "dedicated": _counts([node for node in pool.nodes if node.is_dedicated]),
            "lowPriority": _counts([node for node in pool.nodes if not node.is_dedicated]),
        }


def evaluation_result(results: str, error: FormulaError | None, timestamp: str) -> dict[str, Any]:
    """Return the response to evaluateautoscale; an invalid formula is part of it, with status 200 (recorded)."""
    body: dict[str, Any] = {"timestamp": timestamp, "results": results}
    if error is not None:
        values = [{"name": "Message", "value": str(error)}]
        message = "An error occurred while evaluating the autoscale formula"
        body["error"] = {"code": "AutoScalingFormulaEvaluationError", "message": message, "values": values}
    return body


def _counts(nodes: list[Node]) -> dict[str, int]:
    counts = {name: sum(node.state == name.lower() for node in nodes) for name in _NODE_STATES}
    return counts | {"total": len(nodes)}
