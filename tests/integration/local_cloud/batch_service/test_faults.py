"""Fault injection, and how the real client library reacts to the faults."""

from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as m
from azure.core.exceptions import HttpResponseError

from tests.integration.local_cloud.batch_service.conftest import Cloud

# The first run leaves a mark beside the nodes' folders and waits for its end; the second one sees it and ends.
ONCE = "MARK=$AZ_BATCH_NODE_ROOT_DIR/../seen; test -e $MARK && exit 0; touch $MARK; echo up; exec sleep 300"
VERSION = "?api-version=2025-06-01"
FOREVER = "sh -c 'echo up; exec sleep 300'"


def test_client_retries_503_with_retry_after(cloud: Any) -> None:
    cloud.job("busy")
    cloud.fault(kind="http_error", status=503, retry_after=0, times=2, path_contains="/jobs/busy")
    status, body, headers = cloud.raw("GET", f"/jobs/busy{VERSION}")
    assert (status, body["code"], headers["Retry-After"]) == (503, "ServerBusy", "0")
    assert cloud.client.get_job("busy").id == "busy"
    assert cloud.raw("GET", "/local/faults")[1] == {"value": []}


def test_429_without_retry_after_reaches_caller(cloud: Any) -> None:
    cloud.job("throttled")
    cloud.fault(kind="http_error", status=429, times=1, path_contains="/jobs/throttled/tasks")
    with pytest.raises(HttpResponseError) as caught:
        cloud.add("throttled", "t", "true")
    assert caught.value.status_code == 429
    cloud.add("throttled", "t", "true")


def test_injected_500_has_no_effect(cloud: Any) -> None:
    cloud.job("broken")
    cloud.fault(kind="http_error", status=500, path_contains="/jobs/broken/tasks")
    status, body, _ = cloud.raw("POST", f"/jobs/broken/tasks{VERSION}", {"id": "t", "commandLine": "true"})
    assert (status, body["code"]) == (500, "InternalError")
    assert list(cloud.client.list_tasks("broken")) == []


def test_partial_failure_of_collection(cloud: Any) -> None:
    cloud.job("partial")
    cloud.add("partial", "t1", "true")
    cloud.fault(kind="partial_failure", task_id="t2", code="ServerBusy")
    tasks = [cloud.task(f"t{i}", "true") for i in range(4)]
    results = cloud.client.create_task_collection("partial", m.BatchTaskGroup(task_values=tasks)).result_values
    failed = {result.task_id: (result.status, result.error.code) for result in results if result.error}
    assert failed == {"t1": ("ClientError", "TaskExists"), "t2": ("ServerError", "ServerBusy")}
    assert all(status != m.BatchTaskAddStatus.CLIENT_ERROR for status, _ in failed.values())
    assert [result.task_id for result in results] != [task.id for task in tasks]
    assert sorted(task.id for task in cloud.client.list_tasks("partial")) == ["t0", "t1", "t3"]
    again = cloud.client.create_task_collection("partial", m.BatchTaskGroup(task_values=tasks)).result_values
    assert {result.task_id for result in again if not result.error} == {"t2"}


def test_held_tasks_start_when_the_fault_is_removed(own_cloud: Any) -> None:
    own_cloud.job("held")
    own_cloud.fault(kind="hold_tasks", after=1)
    own_cloud.run("held", "t0", "true")
    own_cloud.add("held", "t1", "true")
    own_cloud.add("held", "t2", "true")
    states = {task.id: task.state for task in own_cloud.client.list_tasks("held")}
    assert states == {"t0": "completed", "t1": "active", "t2": "active"}
    own_cloud.raw("DELETE", "/local/faults")
    own_cloud.await_state("held", "t1", "completed")
    own_cloud.await_state("held", "t2", "completed")


def test_collection_limit(cloud: Any) -> None:
    cloud.job("hundred", pool="nowhere")
    tasks = [cloud.task(f"t{i:03}", "true") for i in range(101)]
    with pytest.raises(HttpResponseError) as caught:
        cloud.client.create_task_collection("hundred", m.BatchTaskGroup(task_values=tasks))
    assert caught.value.status_code == 400
    cloud.client.create_task_collection("hundred", m.BatchTaskGroup(task_values=tasks[:100]))
    assert cloud.client.get_job_task_counts("hundred").task_counts.active == 100


def test_quota_fault_hits_one_operation(cloud: Any) -> None:
    cloud.job("before-quota")
    cloud.fault(kind="http_error", code="ActiveJobAndScheduleQuotaReached", method="POST", path="/jobs")
    cloud.add("before-quota", "t", "true")
    with pytest.raises(HttpResponseError) as caught:
        cloud.job("over-quota")
    assert (caught.value.status_code, caught.value.error.code) == (409, "ActiveJobAndScheduleQuotaReached")
    cloud.job("over-quota")


def test_faults_are_validated_listed_and_cleared(cloud: Any) -> None:
    for wrong in (
        {"kind": "flood"},
        {"kind": "http_error", "status": 404},
        {"kind": "http_error", "status": 500, "code": "ServerBusy"},
        {"kind": "http_error", "code": "NoSuchCode"},
        {"kind": "preempt_when", "task_id": "t", "after_output": "("},
    ):
        assert cloud.raw("POST", "/local/faults", wrong)[0] == 400
    cloud.fault(kind="http_error", status=500, path_contains="/never")
    assert len(cloud.raw("GET", "/local/faults")[1]["value"]) == 1
    assert cloud.raw("DELETE", "/local/faults")[0] == 204
    assert cloud.raw("GET", "/local/faults")[1] == {"value": []}


def test_preempted_node_returns_empty_and_reruns_task(own_cloud: Any) -> None:
    own_cloud.job("evict")
    script = "ls $AZ_BATCH_NODE_SHARED_DIR; touch $AZ_BATCH_NODE_SHARED_DIR/x;" + ONCE
    own_cloud.add("evict", "t", f"sh -c '{script}'")
    own_cloud.await_output("evict", "t", "up")
    before = own_cloud.client.get_task("evict", "t")
    node = own_cloud.fault(kind="preempt_node")["node"]
    task = own_cloud.await_state("evict", "t", "completed")
    assert task.node_info.node_id == before.node_info.node_id == node
    assert (task.execution_info.result, task.execution_info.retry_count) == ("success", 0)
    assert task.execution_info.requeue_count == 0
    assert task.etag == before.etag
    assert own_cloud.output("evict", "t") == ""


def test_preempted_node_state(own_cloud: Any) -> None:
    own_cloud.job("seen")
    own_cloud.add("seen", "t", FOREVER)
    own_cloud.await_output("seen", "t", "up")
    own_cloud.fault(kind="preempt_node", node="local-gpu-0")
    counts = next(iter(own_cloud.client.list_pool_node_counts())).dedicated
    assert (counts.preempted, counts.total) == (1, 1)
    own_cloud.await_state("seen", "t", "active")
    own_cloud.await_state("seen", "t", "running")
    assert own_cloud.raw("POST", "/local/faults", {"kind": "preempt_node", "node": "none"})[0] == 404


def test_lost_node_is_replaced(own_cloud: Any) -> None:
    own_cloud.job("lost")
    own_cloud.add("lost", "t", f"sh -c 'echo $$; {ONCE}'")
    own_cloud.await_output("lost", "t", "up")
    pid = int(own_cloud.output("lost", "t").split()[0])
    assert own_cloud.fault(kind="lose_node")["node"] == "local-gpu-0"
    task = own_cloud.await_state("lost", "t", "completed")
    assert task.node_info.node_id == "local-gpu-1"
    assert [node.id for node in own_cloud.client.list_nodes("gpu")] == ["local-gpu-1"]
    assert not (own_cloud.data / "nodes" / "gpu" / "local-gpu-0").exists()
    own_cloud.await_death(pid)


def test_preempt_on_task_output(own_cloud: Any) -> None:
    own_cloud.job("word")
    own_cloud.fault(kind="preempt_when", task_id="t", after_output="u[p]$")
    own_cloud.add("word", "t", f"sh -c 'echo frame 1; {ONCE}'")
    assert own_cloud.await_state("word", "t", "completed").execution_info.result == "success"
    assert own_cloud.output("word", "t") == "frame 1\n"
    assert own_cloud.raw("GET", "/local/faults")[1] == {"value": []}


def test_simultaneous_output_triggers_on_one_node(tmp_path: Path) -> None:
    cloud = Cloud(data=tmp_path / "batch", pools={"gpu": (1, 2)}).start()
    assert cloud.service is not None
    wait = "until test -e $AZ_BATCH_NODE_ROOT_DIR/../go; do sleep 0.01; done"
    try:
        cloud.job("two")
        for task_id in ("a", "b"):
            cloud.fault(kind="preempt_when", task_id=task_id, after_output="up")
            cloud.add("two", task_id, f"sh -c '{wait}; echo up; sleep 1'")
            cloud.await_state("two", task_id, "running")
        (cloud.data / "nodes" / "gpu" / "go").touch()
        for task_id in ("a", "b"):
            cloud.await_state("two", task_id, "completed")
        cloud.fault(kind="kill_when", task_id="c", after_output="up")
        assert cloud.run("two", "c", FOREVER).execution_info.exit_code == 137
    finally:
        cloud.service.stop()


def test_kill_on_task_output_costs_one_retry(own_cloud: Any) -> None:
    own_cloud.job("kill")
    own_cloud.fault(kind="kill_when", task_id="t", after_output="up")
    own_cloud.add("kill", "t", f"sh -c '{ONCE}'", constraints=m.BatchTaskConstraints(max_task_retry_count=1))
    task = own_cloud.await_state("kill", "t", "completed")
    assert (task.execution_info.result, task.execution_info.retry_count) == ("success", 1)
    assert own_cloud.raw("GET", "/local/faults")[1] == {"value": []}


def test_killed_task_exits_with_137(own_cloud: Any) -> None:
    own_cloud.job("killed")
    own_cloud.fault(kind="kill_when", task_id="t", after_output="up")
    task = own_cloud.run("killed", "t", FOREVER)
    assert (task.execution_info.result, task.execution_info.exit_code) == ("failure", 137)
