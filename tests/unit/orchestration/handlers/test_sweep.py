"""The sweep: lost messages, failed tasks and stalled runs are repaired or fail with a reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import AzureError

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import TaskError
from frame_tools.storage.blobs import Blob
from orchestration.azure_batch.ports import TaskView
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import TIME_LIMIT, sweep
from orchestration.runs.sweep_progress import SweepProgress, write_progress
from tests.scale.open_runs import count_operations
from tests.support.crash import SimulatedCrash
from tests.support.fake_node import fail, read_plan
from tests.support.interception import intercept
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain


def end_grace(world: World) -> None:
    """Advance the time until queued messages count as lost."""
    world.clock.advance(seconds=world.app.settings.sweep_grace_seconds + 1)


def start_run_with_ended_task(world: World, cloud: InMemoryCloud, *, exit_code: int) -> str:
    """Start a run of one batch whose task ends without a receipt; return the run id."""
    run_id = world.start("clip", 2)
    world.deliver_messages()
    cloud.jobs.end_step(run_id, 0, exit_code=exit_code)
    return run_id


def test_lost_messages_are_replaced_after_the_grace(world: World) -> None:
    run_id = world.start("clip")
    drain(world.storage.frame_batches)  # every message is lost
    sweep(world.app)
    assert world.tasks(run_id) == {}, "they may still be in transit"
    end_grace(world)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]


def test_lost_last_message_is_replaced(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, message=False)
    sweep(world.app)
    assert world.status(run_id) == "finished"


def test_active_tasks_are_left_alone(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    before = world.tasks(run_id)
    end_grace(world)
    sweep(world.app)
    assert world.tasks(run_id) == before


def test_lost_split_message_is_replaced(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    drain(world.storage.frame_batches)
    end_grace(world)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["split"]


def store_error(world: World, run_id: str, *, exit_code: int, task_id: str = "b00000") -> None:
    """Store the error that a task records before it ends with `exit_code`."""
    error = TaskError(
        run_id=run_id,
        step="00000",
        reason="The program p failed: line 3: KeyError: 'k'",
        remedy="Ask the operator to fix the script",
        code=ErrorCode.INTERNAL_ERROR,
        next_step=NextStep.ASK_OPERATOR,
        task_id=task_id,
        exit_code=exit_code,
        happened_at="2026-01-02T03:04:05+00:00",
    )
    world.storage.runs.write(RunPaths(run_id).error("00000"), error.dumps())


def test_failed_task_is_retried_once_then_fails_run(world: World, cloud: InMemoryCloud) -> None:
    run_id = start_run_with_ended_task(world, cloud, exit_code=7)
    sweep(world.app)
    assert world.status(run_id) == "scoring"
    assert world.tasks(run_id)["b00000"].is_active, "the task is reactivated"
    assert "retries/00000-1" in world.runs_blobs(run_id)
    cloud.jobs.end_step(run_id, 0, exit_code=7)
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert (outcome.status, "Batch 0 failed" in outcome.reason) == ("failed", True)
    assert f"logs/{run_id}/b00000/stderr.txt" in outcome.remedy
    assert world.is_released(run_id)
    resubmit(world.app, run_id, "missing")
    assert "retries/00000-1" not in world.runs_blobs(run_id), "the sweep may retry again"


def test_failure_uses_the_task_s_own_error(world: World, cloud: InMemoryCloud) -> None:
    world = world.changed(sweep_retries=0)
    run_id = start_run_with_ended_task(world, cloud, exit_code=7)
    store_error(world, run_id, exit_code=7)
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert outcome.reason == "Batch 0 failed: The program p failed: line 3: KeyError: 'k'"
    assert outcome.remedy.startswith("Ask the operator to fix the script. ")
    assert (outcome.code, f"logs/{run_id}/b00000/stderr.txt" in outcome.remedy) == (ErrorCode.INTERNAL_ERROR, True)
    resubmit(world.app, run_id, "missing")
    assert not [name for name in world.runs_blobs(run_id) if name.startswith(("errors/", "failures/"))]


@pytest.mark.parametrize("earlier", [{"exit_code": 70}, {"exit_code": 7, "task_id": "b00000-2"}])
def test_failure_quotes_error_of_an_earlier_attempt(
    world: World, cloud: InMemoryCloud, earlier: dict[str, Any]
) -> None:
    world = world.changed(sweep_retries=0)
    run_id = start_run_with_ended_task(world, cloud, exit_code=7)
    store_error(world, run_id, **earlier)
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert outcome.code == ErrorCode.TASK_FAILED
    assert "task b00000 ended (exit code 7)" in outcome.reason
    assert f"task {earlier.get('task_id', 'b00000')} reported: The program p failed" in outcome.reason
    assert f"{run_id}/b00000/stderr.txt" in outcome.remedy


def test_task_that_succeeds_on_retry_finishes_run(world: World, cloud: InMemoryCloud) -> None:
    run_id = start_run_with_ended_task(world, cloud, exit_code=7)
    sweep(world.app)
    world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"


def test_succeeded_task_without_receipt_gets_a_successor(world: World, cloud: InMemoryCloud) -> None:
    run_id = start_run_with_ended_task(world, cloud, exit_code=0)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00000-2"]
    cloud.jobs.end_step(run_id, 0, exit_code=0)
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert "b00000-2 ended (exit code 0) without leaving a receipt" in outcome.reason


def test_failed_batch_fails_run_once_the_others_are_done(world: World, cloud: InMemoryCloud) -> None:
    world = world.changed(sweep_retries=0)
    run_id = world.start("clip", 4)
    world.deliver_messages()
    world.score(run_id, 1)
    cloud.jobs.end_step(run_id, 0, exit_code=1)
    sweep(world.app)
    assert (world.status(run_id), world.status_document(run_id)["batches"]["failed"]) == ("failed", ["00000"])


def test_receipt_written_during_sweep_is_no_failure(world: World, cloud: InMemoryCloud) -> None:
    """A task may complete between the sweep's reads of receipts and tasks."""
    world = world.changed(sweep_retries=0)
    run_id = start_run_with_ended_task(world, cloud, exit_code=0)

    def tasks(original: Callable[[str], list[TaskView]], job_id: str) -> list[TaskView]:
        world.score(run_id, message=False)
        return original(job_id)

    sweep(replace(world.app, batch=intercept(world.app.batch, tasks=tasks)))
    assert world.status_document(run_id)["failures"] == {}
    assert world.status(run_id) == "finished"


def test_terminated_job_is_replaced(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "test")
    end_grace(world)
    sweep(world.app)
    assert sorted(world.tasks(run_id, 1)) == ["b00000", "b00001", "b00002"]
    world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"
    assert world.is_released(run_id)


@pytest.mark.parametrize("stage", ["waiting", "scoring"])
def test_expired_run_fails_and_can_be_resumed(world: World, stage: str) -> None:
    limited = world.changed(max_open_runs=0) if stage == "waiting" else world
    run_id = limited.start("clip")
    world.clock.advance(hours=world.app.settings.run_hours + 1)
    sweep(limited.app)
    outcome = world.outcome(run_id)
    assert (outcome.status, "2 days" in outcome.reason) == ("failed", True)
    assert "resubmit" in outcome.remedy
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.finish(run_id) == "finished"


def test_leftover_open_marks_are_deleted(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    world.storage.runs.create(RunPaths("never-was-0123456789").open_mark, b"")
    world.storage.output.delete(RunPaths(run_id).report)
    sweep(world.app)
    assert list(world.storage.runs.list("open/")) == []
    assert world.report(run_id)["status"] == "finished"


def test_run_without_plan_is_planned(world: World) -> None:
    run_id = world.start("clip")
    plan = read_plan(world.storage, run_id)
    for blob in (RunPaths(run_id).plan, RunPaths(run_id).queued("batches")):
        world.storage.runs.delete(blob)
    sweep(world.app)
    assert read_plan(world.storage, run_id) == plan
    assert world.finish(run_id) == "finished"


def test_error_in_one_run_does_not_stop_the_sweep(world: World) -> None:
    bad, good = world.start("bad", 2), world.start("good", 2)
    world.deliver_messages()
    world.score(good, message=False)

    def read(original: Callable[..., Blob | None], name: str, **options: Any) -> Blob | None:
        if name == RunPaths(bad).plan:
            raise AzureError("throttled")
        return original(name, **options)

    with pytest.raises(ExceptionGroup) as raised:
        sweep(world.intercepted("runs", read=read).app)
    assert len(raised.value.exceptions) == 1
    assert world.status(good) == "finished"


def test_failure_without_message_fails_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    drain(world.storage.finished_batches)
    sweep(world.app)
    assert world.status(run_id) == "failed"


def test_lost_join_task_is_replaced(world: World) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 2)
    small.finish(run_id)
    small.app.batch.terminate_job(ids.job_id(run_id, 0), "test")
    end_grace(world)
    sweep(small.app)
    assert sorted(small.tasks(run_id, 1)) == ["join"]


def test_join_task_without_video_is_retried_once(world: World, cloud: InMemoryCloud) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 2)
    small.finish(run_id)
    cloud.jobs.end_step(run_id, "join", exit_code=0)
    sweep(small.app)
    assert sorted(small.tasks(run_id)) == ["b00000", "join", "join-2"]
    cloud.jobs.end_step(run_id, "join", exit_code=0)
    sweep(small.app)
    assert (small.status(run_id), "join-2" in small.outcome(run_id).reason) == ("failed", True)


def test_sweep_out_of_time_continues_where_it_stopped(world: World) -> None:
    runs = sorted(world.start(name, 2) for name in "abc")
    drain(world.storage.frame_batches)
    end_grace(world)
    visited: list[str] = []

    def exhaust(original: Callable[[str], list[TaskView]], job_id: str) -> list[TaskView]:
        visited.append(job_id.rsplit("-", 1)[0])
        world.clock.advance(seconds=TIME_LIMIT.total_seconds() + 1)
        return original(job_id)

    slow = replace(world.app, batch=intercept(world.app.batch, tasks=exhaust))
    for _ in range(4):
        sweep(slow)
    assert list(dict.fromkeys(visited)) == runs
    assert [sorted(world.tasks(run_id)) for run_id in runs] == [["b00000"]] * 3


def test_run_that_is_gone_does_not_stop_the_next_sweep(world: World) -> None:
    run_id = world.start("clip", 2)
    drain(world.storage.frame_batches)
    end_grace(world)
    write_progress(world.storage, SweepProgress(), SweepProgress(next_run="gone-0123456789"))
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["b00000"]


def test_calm_run_is_read_once(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    sweep(world.app)
    counted = count_operations(world.app, sweep)
    assert counted.by_resource[f"runs/{RunPaths(run_id).request}"] == 1


def test_waiting_run_that_cannot_be_admitted_lets_the_others_go_first(world: World) -> None:
    single = world.changed(max_open_runs=1)
    first, damaged, last = (single.start(name, 2) for name in ("first", "damaged", "last"))
    request = single.storage.runs.need(RunPaths(damaged).request).data
    newer = request.replace(b'"version": ', b'"new_field": 1, "version": 9')
    single.storage.runs.write(RunPaths(damaged).request, newer)
    cancel(single.app, first)
    drain(single.storage.finished_batches)
    with pytest.raises(ExceptionGroup):
        sweep(single.app)
    assert single.status(last) == "scoring"
    single.storage.runs.write(RunPaths(damaged).request, request)
    assert single.finish(last) == "finished"
    assert single.finish(damaged) == "finished"


@pytest.mark.parametrize("mark", ["cancelled", "expired"])
def test_waiting_run_ends_without_a_slot(world: World, mark: str) -> None:
    single = world.changed(max_open_runs=1)
    single.start("first", 2)
    waiting = single.start("second", 2)
    if mark == "cancelled":
        single.storage.runs.create(RunPaths(waiting).cancelled, b"")  # as if the handler had died then
    else:
        single.clock.advance(hours=single.app.settings.run_hours + 1)
    sweep(single.app)
    assert single.status(waiting) == ("cancelled" if mark == "cancelled" else "failed")


def test_killed_sweep_does_not_begin_with_the_same_run_again(world: World) -> None:
    runs = sorted(world.start(name, 2) for name in "abc")
    drain(world.storage.frame_batches)
    end_grace(world)

    def kill(original: Callable[[str], object], job_id: str) -> object:
        if job_id.startswith(runs[0]):
            raise SimulatedCrash
        return original(job_id)

    killed = replace(world.app, batch=intercept(world.app.batch, job=kill))
    for _ in range(2):
        with pytest.raises(SimulatedCrash):
            sweep(killed)
    assert [len(world.tasks(run_id)) for run_id in runs] == [0, 1, 1]
