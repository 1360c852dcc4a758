"""Conversion of Batch SDK models."""

import datetime as dt
from typing import Any

import pytest
from azure.batch import models

from orchestration.azure_batch.answers import MAX_ERROR_CHARS, node_view, pool_view
from orchestration.azure_batch.pool import RunningTask


@pytest.mark.parametrize(
    "mount",
    [
        {"azureBlobFileSystemConfiguration": {"accountName": "st", "containerName": "c", "relativeMountPath": "input"}},
        {"nfsMountConfiguration": {"source": "st:/st/c", "relativeMountPath": "input"}},
    ],
)
def testpool_view_has_mounts(mount: dict[str, Any]) -> None:
    normalized_weights = {"azureFileShareConfiguration": {"relativeMountPath": "share"}}
    assert pool_view(
        models.BatchPool(
            {
                "id": "gpu",
                "currentDedicatedNodes": 0,
                "currentLowPriorityNodes": 0,
                "mountConfiguration": [mount, normalized_weights],
            }
        )
    ).mounts == ("input",)


def testnode_view_has_tasks_and_reasons() -> None:
    node = models.BatchNode(
        {
            "id": "tvm-1",
            "state": "StartTaskFailed",
            "isDedicated": True,
            "runningTasksCount": 1,
            "allocationTime": "2026-11-29T08:00:00Z",
            "recentTasks": [
                {"jobId": "a-0123456789-j0", "taskId": "b00003", "taskState": "Running"},
                {"jobId": "a-0123456789-j0", "taskId": "b00002", "taskState": "completed"},
            ],
            "startTaskInfo": {
                "state": "completed",
                "startTime": "2026-11-29T08:01:00Z",
                "exitCode": 3,
                "retryCount": 0,
                "failureInfo": {"category": "UserError", "code": "FailureExitCode", "message": "The task exited"},
            },
            "errors": [
                {"code": "DiskFull", "message": "No space", "errorDetails": [{"name": "Path", "value": "/mnt"}]},
                {"code": "Long", "message": "x" * 5000},
            ],
        }
    )
    view = node_view(node)
    assert (view.node_id, view.state, view.dedicated, view.running_tasks) == ("tvm-1", "starttaskfailed", True, 1)
    assert view.tasks == (RunningTask(job_id="a-0123456789-j0", task_id="b00003"),)
    assert view.allocated_at == dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)
    assert view.errors[:2] == (
        "Start task failed: FailureExitCode: The task exited, exit code 3",
        "DiskFull: No space (Path: /mnt)",
    )
    assert len(view.errors[2]) == MAX_ERROR_CHARS


def test_node_without_details_has_none() -> None:
    view = node_view(models.BatchNode({"id": "tvm-1", "state": "idle"}))
    assert (view.running_tasks, view.tasks, view.allocated_at, view.errors) == (0, (), None, ())
