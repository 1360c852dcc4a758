"""Pools and nodes through the real client."""

import datetime as dt
from typing import Any

import pytest
from azure.batch import models as m
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.support.waiting import until


def test_declared_pool(cloud: Any) -> None:
    pool = cloud.client.get_pool("gpu")
    assert (pool.state, pool.allocation_state, pool.task_slots_per_node) == ("active", "steady", 2)
    assert (pool.current_dedicated_nodes, pool.target_dedicated_nodes) == (2, 2)
    assert pool.virtual_machine_configuration.container_configuration.type == m.ContainerType.DOCKER_COMPATIBLE
    assert cloud.client.pool_exists("gpu")
    assert cloud.raw("HEAD", "/pools/none?api-version=2025-06-01")[0] == 404
    assert [node.state for node in cloud.client.list_nodes("gpu")] == ["idle", "idle"]
    (counts,) = cloud.client.list_pool_node_counts(filter="poolId eq 'gpu'")
    assert (counts.dedicated.idle, counts.dedicated.total, counts.low_priority.total) == (2, 2, 0)
    assert list(cloud.client.list_pool_node_counts(filter="poolId eq 'other'")) == []


def test_node_state_follows_its_tasks(cloud: Any) -> None:
    cloud.job("node")
    cloud.add("node", "t", "sleep 300", required_slots=2)
    cloud.await_state("node", "t", "running")
    (busy,) = (node for node in cloud.client.list_nodes("gpu") if node.state == "running")
    assert (busy.running_tasks_count, busy.running_task_slots_count) == (1, 2)
    recent = [(task.job_id, task.task_id, task.task_state) for task in busy.recent_tasks]
    assert recent == [("node", "t", "running")]
    cloud.client.terminate_task("node", "t")
    assert all(node.state == "idle" for node in cloud.client.list_nodes("gpu"))


def test_resize_up_and_down_to_zero(own_cloud: Any) -> None:
    client = own_cloud.client
    own_cloud.job("resize")
    for name in ("a", "b"):
        own_cloud.add("resize", name, "sleep 300")
    own_cloud.await_state("resize", "a", "running")
    client.begin_resize_pool("gpu", m.BatchPoolResizeOptions(target_dedicated_nodes=2), polling_interval=0).result()
    own_cloud.await_state("resize", "b", "running")
    assert client.get_pool("gpu").current_dedicated_nodes == 2
    client.begin_resize_pool("gpu", m.BatchPoolResizeOptions(target_dedicated_nodes=0), polling_interval=0).result()
    pool = client.get_pool("gpu")
    assert (pool.allocation_state, pool.current_dedicated_nodes) == ("steady", 0)
    task = client.get_task("resize", "a")
    assert (task.state, task.execution_info.requeue_count) == ("active", 1)


def test_resize_waits_for_task_completion(own_cloud: Any) -> None:
    own_cloud.job("leave")
    own_cloud.add("leave", "t", "sleep 0.5")
    own_cloud.await_state("leave", "t", "running")
    request = m.BatchPoolResizeOptions(
        target_dedicated_nodes=0, node_deallocation_option=m.BatchNodeDeallocationOption.TASK_COMPLETION
    )
    own_cloud.client.begin_resize_pool("gpu", request, polling_interval=0).result()
    assert own_cloud.client.get_task("leave", "t").execution_info.result == "success"
    assert own_cloud.client.get_pool("gpu").current_dedicated_nodes == 0


def test_autoscale_formula_changes_no_nodes(cloud: Any) -> None:
    spec = m.BatchPoolCreateOptions(id="scaled", vm_size="STANDARD_NC4", target_dedicated_nodes=1)
    cloud.client.create_pool(spec)
    _await_node(cloud.client, "scaled")
    formula = "$TargetDedicatedNodes=7;"
    request = m.BatchPoolEnableAutoScaleOptions(
        auto_scale_formula=formula, auto_scale_evaluation_interval=dt.timedelta(minutes=5)
    )
    cloud.client.enable_pool_auto_scale("scaled", request)
    pool = cloud.client.get_pool("scaled")
    assert (pool.vm_size, pool.enable_auto_scale, pool.auto_scale_formula) == ("standard_nc4", True, formula)
    assert pool.auto_scale_evaluation_interval == dt.timedelta(minutes=5)
    assert pool.current_dedicated_nodes == 1
    trial = m.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)
    assert cloud.client.evaluate_pool_auto_scale("scaled", trial).results.startswith("$TargetDedicatedNodes=7;")
    with pytest.raises(HttpResponseError) as caught:
        cloud.client.begin_resize_pool("scaled", m.BatchPoolResizeOptions(target_dedicated_nodes=0))
    assert caught.value.status_code == 409
    cloud.client.disable_pool_auto_scale("scaled")
    assert not cloud.client.get_pool("scaled").enable_auto_scale
    with pytest.raises(HttpResponseError) as caught:
        cloud.client.evaluate_pool_auto_scale("scaled", trial)
    assert caught.value.status_code == 409


def test_invalid_autoscale_formula(cloud: Any) -> None:
    cloud.client.create_pool(m.BatchPoolCreateOptions(id="invalid", vm_size="x", target_dedicated_nodes=0))
    options = m.BatchPoolEnableAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = $NoSuchName;")
    with pytest.raises(HttpResponseError) as caught:
        cloud.client.enable_pool_auto_scale("invalid", options)
    assert caught.value.error.code == "InvalidPropertyValue"
    cloud.client.enable_pool_auto_scale(
        "invalid", m.BatchPoolEnableAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = 1;")
    )
    trial = m.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula="$TargetDedicatedNodes = $NoSuchName;")
    run = cloud.client.evaluate_pool_auto_scale("invalid", trial)
    assert run.error.code == "AutoScalingFormulaEvaluationError"
    assert "$NoSuchName" in run.error.error_values[0].value


def _await_node(client: Any, pool_id: str) -> Any:
    """Return the node of a pool that is being created."""
    until(lambda: list(client.list_nodes(pool_id)), "the pool has a node")
    return next(iter(client.list_nodes(pool_id)))


def test_nodes_need_time_to_boot(own_cloud: Any) -> None:
    assert own_cloud.service.stop() == 0
    own_cloud.start(boot_seconds=1.5)
    spec = m.BatchPoolCreateOptions(id="slow", vm_size="x", target_dedicated_nodes=1)
    own_cloud.client.create_pool(spec)
    pool = own_cloud.client.get_pool("slow")
    assert (pool.allocation_state, pool.current_dedicated_nodes, pool.target_dedicated_nodes) == ("resizing", 0, 1)
    node = _await_node(own_cloud.client, "slow")
    assert (node.state, node.last_boot_time) == ("starting", None)
    assert own_cloud.client.get_pool("slow").allocation_state == "steady"
    own_cloud.job("on-slow", pool="slow")
    own_cloud.add("on-slow", "t", "true")
    assert own_cloud.client.get_task("on-slow", "t").state == "active"
    own_cloud.await_state("on-slow", "t", "completed")
    (node,) = own_cloud.client.list_nodes("slow")
    assert node.last_boot_time is not None


def test_pool_deletion_requeues_tasks(cloud: Any) -> None:
    spec = m.BatchPoolCreateOptions(id="short", vm_size="x", target_low_priority_nodes=1)
    cloud.client.create_pool(spec)
    with pytest.raises(HttpResponseError) as caught:
        cloud.client.create_pool(spec)
    assert caught.value.error.code == "PoolExists"
    cloud.job("on-short", pool="short")
    cloud.add("on-short", "t", "sh -c 'echo $AZ_BATCH_NODE_IS_DEDICATED; exec sleep 300'")
    cloud.await_output("on-short", "t", "false")
    cloud.client.begin_delete_pool("short", polling_interval=0).result()
    with pytest.raises(ResourceNotFoundError) as missing:
        cloud.client.get_pool("short")
    assert missing.value.error.code == "PoolNotFound"
    assert cloud.client.get_task("on-short", "t").state == "active"
    assert not (cloud.data / "nodes" / "short" / "local-short-0").exists()


def test_pool_identity_is_rejected(cloud: Any) -> None:
    body = {"id": "mine", "vmSize": "x", "identity": {"type": "UserAssigned"}}
    status, answer, _ = cloud.raw("POST", "/pools?api-version=2025-06-01", body)
    assert (status, answer["code"]) == (400, "UnsupportedProperty")
