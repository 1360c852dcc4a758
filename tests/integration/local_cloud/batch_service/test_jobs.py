"""Jobs: termination, disabling, limits and lists."""

import datetime as dt
from pathlib import Path
from typing import Any, cast

import pytest
from azure.batch import BatchClient
from azure.batch import models as m
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from local_cloud.batch_service.launch import start_service


def error_code_of(call: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(HttpResponseError) as caught:
        call(*args, **options)
    error = caught.value.error
    assert error is not None
    return str(error.code)


def test_terminate_kills_running_tasks_only(cloud: Any) -> None:
    cloud.job("end", max_parallel_tasks=1)
    cloud.add("end", "runs", "sleep 300")
    cloud.add("end", "waits", "true")
    cloud.await_state("end", "runs", "running")
    cloud.client.begin_terminate_job("end", options={"terminateReason": "enough"})
    job = cloud.await_job("end", "completed")
    assert (job.execution_info.termination_reason, job.previous_state) == ("enough", "active")
    assert job.execution_info.end_time is not None
    assert cloud.client.get_task("end", "runs").execution_info.failure_info.code == "TaskEnded"
    assert cloud.client.get_task("end", "waits").state == "active"
    counts = cloud.client.get_job_task_counts("end").task_counts
    assert (counts.active, counts.running, counts.completed, counts.failed) == (1, 0, 1, 1)
    assert error_code_of(cloud.add, "end", "late", "true") == "JobCompleted"
    assert error_code_of(cloud.client.reactivate_task, "end", "runs") == "JobCompleted"
    assert error_code_of(cloud.client.begin_terminate_job, "end", options={"terminateReason": "x"}) == "JobCompleted"
    assert error_code_of(cloud.job, "END") == "JobExists"


def test_terminate_without_a_body(cloud: Any) -> None:
    cloud.job("bare")
    assert cloud.raw("POST", "/jobs/bare/terminate?api-version=2025-06-01")[0] == 202
    assert cloud.await_job("bare", "completed").execution_info.termination_reason == "UserTerminate"


def test_delete_job(cloud: Any) -> None:
    cloud.job("gone")
    cloud.add("gone", "t", "sleep 300")
    cloud.await_state("gone", "t", "running")
    cloud.client.begin_delete_job("gone", polling_interval=0).result()
    with pytest.raises(ResourceNotFoundError) as caught:
        cloud.client.get_job("gone")
    assert caught.value.error.code == "JobNotFound"
    assert not list((cloud.data / "nodes").glob("*/*/workitems/gone"))
    cloud.job("gone")
    assert list(cloud.client.list_tasks("gone")) == []


def test_disable_requeues_and_enable_resumes(cloud: Any) -> None:
    cloud.job("pause")
    cloud.add("pause", "t", "sh -c 'test -e $AZ_BATCH_NODE_ROOT_DIR/../go || sleep 300'")
    cloud.await_state("pause", "t", "running")
    cloud.client.begin_disable_job("pause", m.BatchJobDisableOptions(disable_tasks="requeue"))
    cloud.await_job("pause", "disabled")
    task = cloud.client.get_task("pause", "t")
    assert (task.state, task.previous_state, task.execution_info.requeue_count) == ("active", "running", 1)
    assert task.execution_info.start_time is None
    (cloud.data / "nodes" / "gpu" / "go").touch()
    cloud.client.begin_enable_job("pause")
    assert cloud.await_state("pause", "t", "completed").execution_info.result == "success"


def test_terminatejob_set_later_ends_job(cloud: Any) -> None:
    cloud.job("auto")
    cloud.run("auto", "t1", "true")
    assert cloud.client.get_job("auto").state == "active"
    cloud.add("auto", "t2", "sleep 0.2")
    mode = m.BatchJobUpdateOptions(all_tasks_complete_mode=m.BatchAllTasksCompleteMode.TERMINATE_JOB)
    before = cloud.client.get_job("auto").etag
    cloud.client.update_job("auto", mode)
    assert cloud.client.get_job("auto").etag != before
    job = cloud.await_job("auto", "completed")
    assert job.execution_info.termination_reason == "AllTasksComplete"
    assert cloud.client.get_task("auto", "t2").execution_info.result == "success"


def test_empty_job_with_terminatejob_stays_active(cloud: Any) -> None:
    cloud.job("empty", all_tasks_complete_mode=m.BatchAllTasksCompleteMode.TERMINATE_JOB)
    assert cloud.client.get_job("empty").state == "active"
    cloud.add("empty", "t", "true")
    cloud.await_job("empty", "completed")


def test_job_time_limit(cloud: Any) -> None:
    cloud.job("short", constraints=m.BatchJobConstraints(max_wall_clock_time=dt.timedelta(seconds=0.6)))
    cloud.add("short", "t", "sleep 300")
    job = cloud.await_job("short", "completed")
    assert job.execution_info.termination_reason == "MaxWallClockTimeExpiry"
    assert cloud.client.get_task("short", "t").execution_info.failure_info.code == "TaskEnded"


def test_patch_and_put(cloud: Any) -> None:
    cloud.job("change", priority=5, pool="nowhere")
    etag = cloud.client.get_job("change").etag
    cloud.client.update_job("change", m.BatchJobUpdateOptions(priority=7))
    job = cloud.client.get_job("change")
    assert (job.priority, job.pool_info.pool_id) == (7, "nowhere")
    stale = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    assert (
        error_code_of(cloud.client.update_job, "change", m.BatchJobUpdateOptions(priority=1), **stale)
        == "ConditionNotMet"
    )
    job.constraints = m.BatchJobConstraints(max_task_retry_count=4)
    cloud.client.replace_job("change", job)
    assert cloud.client.get_job("change").constraints.max_task_retry_count == 4


def test_tasks_wait_for_pool(own_cloud: Any) -> None:
    own_cloud.job("early", pool="later")
    own_cloud.add("early", "t", "true")
    assert own_cloud.client.get_task("early", "t").state == "active"
    pool = m.BatchPoolCreateOptions(id="later", vm_size="Standard_D2", target_dedicated_nodes=1)
    own_cloud.client.create_pool(pool)
    assert own_cloud.await_state("early", "t", "completed").node_info.pool_id == "later"


def test_higher_priority_first(own_cloud: Any) -> None:
    own_cloud.job("block")
    own_cloud.add("block", "t", "sleep 0.5")
    own_cloud.await_state("block", "t", "running")
    for job, priority in (("low", -5), ("high", 5)):
        own_cloud.job(job, priority=priority)
        own_cloud.add(job, "t", "true")
    low, high = (own_cloud.await_state(job, "t", "completed") for job in ("low", "high"))
    assert high.execution_info.end_time <= low.execution_info.start_time


def test_list_filter_select_and_paging(cloud: Any) -> None:
    cloud.job("pages", pool="nowhere")
    tasks = [cloud.task(f"t{i:02}", "true") for i in range(25)]
    cloud.client.create_task_collection("pages", m.BatchTaskGroup(task_values=tasks))
    for name in ("t03", "t17"):
        cloud.client.terminate_task("pages", name)
    assert [task.id for task in cloud.client.list_tasks("pages", max_results=10)] == [f"t{i:02}" for i in range(25)]
    done = list(cloud.client.list_tasks("pages", filter="state eq 'completed'", select=["id", "state"], max_results=1))
    assert [task.as_dict() for task in done] == [{"id": name, "state": "completed"} for name in ("t03", "t17")]
    assert len(list(cloud.client.list_tasks("pages", filter="state ne 'completed' and startswith(id, 't0')"))) == 9
    assert "pages" in [job.id for job in cloud.client.list_jobs(filter="state eq 'active'")]


def test_missing_job_and_task(cloud: Any) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        cloud.add("no-job", "t", "true")
    assert caught.value.error.code == "JobNotFound"
    cloud.job("same")
    with pytest.raises(ResourceExistsError):
        cloud.job("same")


def test_job_quota(tmp_path: Path) -> None:
    service = start_service(data=tmp_path / "batch", pools={}, images={}, job_quota=1)
    try:
        client = BatchClient(service.url, AzureNamedKeyCredential("localbatch", "bG9jYWw="))
        create = [m.BatchJobCreateOptions(id=name, pool_info=m.BatchPoolInfo(pool_id="gpu")) for name in "ab"]
        client.create_job(create[0])
        assert error_code_of(client.create_job, create[1]) == "ActiveJobAndScheduleQuotaReached"
        client.begin_terminate_job("a", options=cast(Any, {"terminateReason": "done"})).result()
        client.create_job(create[1])
    finally:
        service.stop()
