"""Stop, crash and restart of the service on the same folder."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models as m

from local_cloud.batch_service.launch import running_service, start_service
from tests.support.waiting import until


def test_killed_service_resumes(own_cloud: Any) -> None:
    mode = m.BatchAllTasksCompleteMode.TERMINATE_JOB
    own_cloud.job("again", all_tasks_complete_mode=mode)
    own_cloud.add("again", "done", "true")
    # The first run of t starts a child and waits for ever; the run after the restart ends at once.
    own_cloud.add(
        "again",
        "t",
        "sh -c 'test -e ../../../../../seen && exit; touch ../../../../../seen; sleep 300 & echo $$ $!; wait'",
    )
    own_cloud.add("again", "u", "true")
    own_cloud.await_state("again", "done", "completed")
    own_cloud.await_output("again", "t", "\n")
    leader, child = (int(pid) for pid in own_cloud.output("again", "t").split())
    before = {task.id: task for task in own_cloud.client.list_tasks("again")}
    own_cloud.service.kill()
    assert Path(f"/proc/{leader}").exists()
    own_cloud.start()
    own_cloud.await_death(leader)
    own_cloud.await_death(child)
    for name in ("t", "u"):
        assert own_cloud.await_state("again", name, "completed").execution_info.result == "success"
    job = own_cloud.await_job("again", "completed")
    assert job.execution_info.termination_reason == "AllTasksComplete"
    after = {task.id: task for task in own_cloud.client.list_tasks("again")}
    assert after["done"].execution_info.end_time == before["done"].execution_info.end_time
    assert {name: task.etag for name, task in after.items()} == {name: task.etag for name, task in before.items()}
    assert after["t"].execution_info.requeue_count == 0


def test_restart_kills_orphaned_grandchild(own_cloud: Any) -> None:
    own_cloud.job("orphan")
    own_cloud.add("orphan", "t", "sh -c 'setsid sleep 300 & echo $$ $!; sleep 300'")
    own_cloud.await_output("orphan", "t", "\n")
    leader, child = (int(pid) for pid in own_cloud.output("orphan", "t").split())
    own_cloud.service.kill()
    own_cloud.pools = {"gpu": (0, 1)}
    own_cloud.start()
    own_cloud.await_death(leader)
    own_cloud.await_death(child)
    assert own_cloud.client.get_task("orphan", "t").state == "active"


def test_restart_spares_reused_process_id(own_cloud: Any) -> None:
    own_cloud.job("fence")
    own_cloud.add("fence", "t", "sh -c 'echo up; exec sleep 300'")
    own_cloud.await_output("fence", "t", "up")
    own_cloud.service.kill()
    (entry,) = (own_cloud.data / "processes").glob("*.json")
    # As if the id had been reused by another process: its start time differs, its environment is not the task's.
    text = entry.read_text()
    entry.write_text(text.replace('"started": "', '"started": "9').replace("AZ_", "").replace("/fence/", "/other/"))
    pid = int(text.split('"pid": ')[1].split(",")[0])
    own_cloud.start()
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SR"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_tasks_and_keeps_state(own_cloud: Any, number: signal.Signals) -> None:
    own_cloud.job("stop")
    own_cloud.add("stop", "t", "sh -c 'trap \"\" TERM; echo $$; sleep 300; sleep 300'")
    own_cloud.await_output("stop", "t", "\n")
    pid = int(own_cloud.output("stop", "t"))
    own_cloud.service.process.send_signal(number)
    assert own_cloud.service.process.wait(20) == 0
    own_cloud.await_death(pid)
    own_cloud.service.process.stdout.close()
    own_cloud.start()
    own_cloud.await_state("stop", "t", "running")


def test_restart_finishes_deletion(own_cloud: Any) -> None:
    own_cloud.job("half")
    own_cloud.job("gone")
    own_cloud.service.kill()
    for name, state in (("half", "terminating"), ("gone", "deleting")):
        file = own_cloud.data / "state" / "jobs" / name / "job.json"
        file.write_text(file.read_text().replace('"state":"active"', f'"state":"{state}"'))
    own_cloud.start()
    own_cloud.await_job("half", "completed")
    until(lambda: "gone" not in [job.id for job in own_cloud.client.list_jobs()], "the job is deleted")


def test_launch_helper(tmp_path: Path) -> None:
    with running_service(data=tmp_path / "data", pools={"gpu": (1, 1)}, images={}) as url:
        assert url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError, match="no such id:1x1"):
        start_service(data=tmp_path / "data", pools={"no such id": (1, 1)}, images={})
