"""Task life cycles through the real client."""

import datetime as dt
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as m
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.support.waiting import until


def code_of(caught: pytest.ExceptionInfo[HttpResponseError]) -> str:
    error = caught.value.error
    assert error is not None
    return str(error.code)


def test_task_life_cycle(cloud: Any) -> None:
    cloud.job("life")
    cloud.add("life", "t1", "sh -c 'echo hello; echo oh >&2; sleep 0.2'")
    added_item = cloud.client.get_task("life", "t1")
    task = cloud.await_state("life", "t1", "completed")
    info = task.execution_info
    assert (info.exit_code, info.result, info.retry_count, info.requeue_count) == (0, "success", 0, 0)
    assert info.failure_info is None
    assert info.start_time <= info.end_time
    assert (task.state, task.previous_state) == ("completed", "running")
    assert task.previous_state_transition_time <= task.state_transition_time
    assert (task.etag, task.last_modified) == (added_item.etag, added_item.last_modified)
    assert cloud.output("life", "t1") == "hello\n"
    assert cloud.output("life", "t1", "stderr.txt") == "oh\n"
    assert sorted(file.name for file in cloud.client.list_task_files("life", "t1")) == [
        "stderr.txt",
        "stdout.txt",
        "wd",
    ]
    assert cloud.client.get_task_file_properties("life", "t1", "stdout.txt").content_length == 6


def test_task_environment_is_declared_only(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [m.EnvironmentSetting(name="FROM_JOB", value="job"), m.EnvironmentSetting(name="BOTH", value="job")]
    cloud.job("env", common_environment_settings=settings)
    program = "import json, os; print(json.dumps(dict(os.environ))); print(os.getcwd())"
    task = cloud.run(
        "env",
        "t",
        f'python -I -c "{program}"',
        environment_settings=[m.EnvironmentSetting(name="BOTH", value="task $PATH")],
    )
    variables, folder = cloud.output("env", "t").splitlines()
    environment = json.loads(variables)
    batch = {name: value for name, value in environment.items() if name.startswith("AZ_BATCH_")}
    rest = {name: value for name, value in environment.items() if name not in batch and name != "LC_CTYPE"}
    assert rest == {"PATH": cloud.images["painter:1"]["PATH"], "FROM_JOB": "job", "BOTH": "task $PATH"}
    root = batch["AZ_BATCH_NODE_ROOT_DIR"]
    assert Path(root).is_absolute()
    assert batch["AZ_BATCH_TASK_DIR"] == f"{root}/workitems/env/job-1/t"
    assert batch["AZ_BATCH_TASK_WORKING_DIR"] == f"{root}/workitems/env/job-1/t/wd" == folder
    assert batch["AZ_BATCH_NODE_SHARED_DIR"] == f"{root}/shared"
    assert batch["AZ_BATCH_NODE_MOUNTS_DIR"] == f"{root}/fsmounts"
    assert (batch["AZ_BATCH_JOB_ID"], batch["AZ_BATCH_TASK_ID"], batch["AZ_BATCH_POOL_ID"]) == ("env", "t", "gpu")
    assert batch["AZ_BATCH_NODE_ID"] == task.node_info.node_id
    assert batch["AZ_BATCH_NODE_IS_DEDICATED"] == "true"
    assert os.environ.get("HOME") is not None
    assert "HOME" not in environment


def test_command_runs_without_shell(cloud: Any) -> None:
    cloud.job("shell")
    cloud.run("shell", "t", "echo $AZ_BATCH_JOB_ID && echo 'two words'")
    assert cloud.output("shell", "t") == "$AZ_BATCH_JOB_ID && echo two words\n"


def test_retries_are_limited_and_start_fresh(cloud: Any) -> None:
    cloud.job("retry", constraints=m.BatchJobConstraints(max_task_retry_count=2))
    count = "sh -c 'echo x >> $AZ_BATCH_NODE_SHARED_DIR/runs; ls; touch left-over; exit 7'"
    task = cloud.run("retry", "t", count)
    info = task.execution_info
    assert (info.exit_code, info.result, info.retry_count) == (7, "failure", 2)
    assert task.constraints.max_task_retry_count == 2
    shared = cloud.data / "nodes" / "gpu"
    assert sum(len(file.read_text().split()) for file in shared.glob("*/shared/runs")) == 3
    assert cloud.output("retry", "t") == ""


def test_success_at_second_attempt(cloud: Any) -> None:
    cloud.job("second")
    command = "sh -c 'MARK=$AZ_BATCH_NODE_ROOT_DIR/../tried; test -e $MARK || { touch $MARK; exit 1; }'"
    info = cloud.run("second", "t", command, constraints=m.BatchTaskConstraints(max_task_retry_count=-1)).execution_info
    assert (info.exit_code, info.result, info.retry_count) == (0, "success", 1)
    assert info.failure_info is None


def test_failure_category_is_pascal_case(cloud: Any) -> None:
    cloud.job("casing")
    failure = cloud.run("casing", "t", "false").execution_info.failure_info
    assert failure.category == "UserError"
    assert failure.category != m.BatchErrorSourceCategory.USER_ERROR
    assert failure.category.casefold() == m.BatchErrorSourceCategory.USER_ERROR


@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("absent", "./not-there", "CommandProgramNotFound"),
        ("no-program", "/etc/passwd", "CommandLaunchFailed"),
        ("open-quote", "echo 'open", "CommandLaunchFailed"),
    ],
)
def test_launch_failure_has_no_exit_code(cloud: Any, name: str, command: str, code: str) -> None:
    cloud.job(name)
    info = cloud.run(name, "t", command, constraints=m.BatchTaskConstraints(max_task_retry_count=5)).execution_info
    assert (info.exit_code, info.failure_info.code, info.retry_count) == (None, code, 0)


def test_unknown_or_missing_image_fails(cloud: Any) -> None:
    cloud.job("images", constraints=m.BatchJobConstraints(max_task_retry_count=3))
    unknown = cloud.run("images", "unknown", "true", image="other:1").execution_info
    assert (unknown.exit_code, unknown.retry_count, unknown.result) == (None, 0, "failure")
    assert unknown.failure_info.code == "ContainerInvalidImage"
    assert "painter:1" in unknown.failure_info.details[0].value
    none = cloud.run("images", "none", "true", image=None).execution_info
    assert (none.exit_code, none.failure_info.code) == (None, "ContainerTaskSettingsNotFound")


def test_time_limit_kills_process_group(cloud: Any) -> None:
    cloud.job("wall")
    # The leader and its child both ignore SIGTERM: only SIGKILL to the group ends the child.
    command = """sh -c 'trap "" TERM; sleep 300 & echo $!; wait; sleep 300'"""
    limit = m.BatchTaskConstraints(max_wall_clock_time=dt.timedelta(seconds=0.5))
    info = cloud.run("wall", "t", command, constraints=limit).execution_info
    assert (info.exit_code, info.result, info.failure_info.code) == (137, "failure", "TaskEnded")
    assert info.failure_info.details[0].value == "The maximum execution time configured on the task was exceeded"
    grandchild = int(cloud.output("wall", "t"))
    cloud.await_death(grandchild)


def test_leftover_child_ends_with_task(cloud: Any) -> None:
    cloud.job("behind")
    cloud.run("behind", "t", "sh -c 'sleep 300 & echo $!'")
    child = int(cloud.output("behind", "t"))
    cloud.await_death(child)


def test_max_parallel_tasks_runs_in_order(cloud: Any) -> None:
    job = cloud.job("slots", max_parallel_tasks=1)
    tasks = [cloud.task(f"t{i}", "sh -c 'date +%s%N; sleep 0.05; date +%s%N'") for i in range(4)]
    cloud.client.create_task_collection(job, m.BatchTaskGroup(task_values=tasks))
    for i in range(4):
        cloud.await_state(job, f"t{i}", "completed")
    spans = [tuple(int(line) for line in cloud.output(job, f"t{i}").split()) for i in range(4)]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_reactivate_failed_task(cloud: Any) -> None:
    cloud.job("again")
    command = "sh -c 'test -e $AZ_BATCH_NODE_ROOT_DIR/../again'"
    cloud.run("again", "t", command)
    (cloud.data / "nodes" / "gpu" / "again").touch()
    cloud.client.reactivate_task("again", "t")
    info = cloud.await_state("again", "t", "completed").execution_info
    assert (info.result, info.exit_code, info.failure_info, info.retry_count) == ("success", 0, None, 0)
    with pytest.raises(ResourceExistsError) as caught:
        cloud.client.reactivate_task("again", "t")
    assert code_of(caught) == "TaskSucceeded"


def test_reactivate_is_rejected(cloud: Any) -> None:
    cloud.job("no-again", pool="nowhere")
    cloud.add("no-again", "t", "true")
    with pytest.raises(ResourceExistsError) as caught:
        cloud.client.reactivate_task("no-again", "t")
    assert code_of(caught) == "TaskNotCompleted"
    with pytest.raises(ResourceNotFoundError) as missing:
        cloud.client.reactivate_task("no-again", "u")
    assert code_of(missing) == "TaskNotFound"


def test_terminate_running_and_active_task(cloud: Any) -> None:
    cloud.job("end")
    cloud.add("end", "running", "sleep 300", constraints=m.BatchTaskConstraints(max_task_retry_count=3))
    cloud.await_state("end", "running", "running")
    cloud.client.terminate_task("end", "running")
    task = cloud.client.get_task("end", "running")
    assert (task.state, task.execution_info.failure_info.code) == ("completed", "TaskEnded")
    assert task.execution_info.retry_count == 0
    cloud.job("end-waiting", pool="nowhere")
    cloud.add("end-waiting", "t", "true")
    cloud.client.terminate_task("end-waiting", "t")
    assert cloud.client.get_task("end-waiting", "t").state == "completed"


def test_delete_kills_task_and_removes_directory(cloud: Any) -> None:
    cloud.job("delete-task")
    cloud.add("delete-task", "t", "sh -c 'echo $$; exec sleep 300'")
    cloud.await_output("delete-task", "t", "\n")
    pid = int(cloud.output("delete-task", "t"))
    cloud.client.delete_task("delete-task", "t")
    with pytest.raises(ResourceNotFoundError) as caught:
        cloud.client.get_task("delete-task", "t")
    assert code_of(caught) == "TaskNotFound"
    cloud.await_death(pid)
    assert not list((cloud.data / "nodes").glob("**/delete-task/job-1/t"))


def test_retention_time(cloud: Any) -> None:
    cloud.job("kept")
    keep = m.BatchTaskConstraints(retention_time=dt.timedelta(milliseconds=10))
    cloud.run("kept", "t", "true", constraints=keep)

    def files_are_gone() -> bool:
        return not list((cloud.data / "nodes").glob("*/*/workitems/kept/job-1/t"))

    until(files_are_gone, "the task's folder is removed")
    with pytest.raises(ResourceExistsError) as caught:
        list(cloud.client.list_task_files("kept", "t"))
    assert code_of(caught) == "TaskFilesUnavailable"


def test_existing_task_and_preconditions(cloud: Any) -> None:
    cloud.job("exists", pool="nowhere")
    cloud.add("exists", "t", "true")
    with pytest.raises(ResourceExistsError) as caught:
        cloud.add("exists", "T", "true")
    assert code_of(caught) == "TaskExists"
    etag = cloud.client.get_task("exists", "t").etag
    limits = m.BatchTask(constraints=m.BatchTaskConstraints(max_task_retry_count=9))
    cloud.client.replace_task("exists", "t", limits, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert cloud.client.get_task("exists", "t").constraints.max_task_retry_count == 9
    with pytest.raises(HttpResponseError) as stale:
        cloud.client.replace_task("exists", "t", limits, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert (stale.value.status_code, code_of(stale)) == (412, "ConditionNotMet")


def test_new_task_starts_at_once_on_free_slot(cloud: Any) -> None:
    cloud.job("prompt")
    cloud.add("prompt", "t", "sleep 300")
    assert cloud.client.get_task("prompt", "t").state == "running"
    cloud.client.terminate_task("prompt", "t")


def test_file_path_outside_task_is_rejected(cloud: Any) -> None:
    cloud.job("inside")
    cloud.run("inside", "t", "true")
    up_to_the_data = "..%2F" * len(["nodes", "gpu", "local-gpu-0", "workitems", "inside", "job-1", "t"])
    assert (cloud.data / "service.log").is_file()
    url = f"/jobs/inside/tasks/t/files/{up_to_the_data}service.log?api-version=2025-06-01"
    status, body, _ = cloud.raw("GET", url)
    assert (status, body["code"]) == (404, "FileNotFound")
