"""The timer: whatever got lost, vanished or stands still is put right or ended with a reason."""

import datetime as dt
from typing import Any

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import TaskError
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from tests.orchestration.conftest import Nodes
from tests.support.fake_node import fail, read_plan
from tests.support.waiting import until
from tests.support.world import World, message, take

NO_GRACE = {"sweep_grace_seconds": 0}


def await_ended(world: World, run_id: str, *task_ids: str, job: int = 0) -> None:
    """Wait until Batch has ended these tasks."""

    def ended() -> bool:
        tasks = world.tasks(run_id, job)
        return all(task in tasks and not tasks[task].alive for task in task_ids)

    until(ended, f"tasks {task_ids} of {run_id} have ended")


def test_a_lost_message_is_made_good_after_the_grace(world: World) -> None:
    run_id = world.start("clip")
    take(world.storage.frame_batches)  # all lost
    sweep(world.app)
    assert world.tasks(run_id) == {}, "they may still be on their way"
    sweep(world.changed(**NO_GRACE).app)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]


def test_a_lost_last_message_is_made_good(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    world.paint(run_id, message=False)
    sweep(world.app)
    assert world.status(run_id) == "finished"


def test_living_tasks_are_left_alone(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    before = world.tasks(run_id)
    sweep(world.changed(**NO_GRACE).app)
    assert world.tasks(run_id) == before


def test_a_lost_split_message_is_made_good(world: World) -> None:
    run_id = world.fire(world.put_film())
    take(world.storage.frame_batches)
    sweep(world.changed(**NO_GRACE).app)
    assert sorted(world.tasks(run_id)) == ["split"]


def test_a_failed_task_gets_one_more_try_and_then_its_failure_is_told(busy_world: World, nodes: Nodes) -> None:
    world = busy_world.changed(**NO_GRACE)
    run_id = world.start("clip", 2)
    nodes.let_end(run_id, 7)
    world.pump()
    await_ended(world, run_id, "b00000")
    sweep(world.app)
    assert world.status(run_id) == "scoring"
    assert "retries/00000-1" in world.runs_blobs(run_id)
    await_ended(world, run_id, "b00000")
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert (outcome.status, "Batch 0 failed" in outcome.reason) == ("failed", True)
    assert f"logs/{run_id}/b00000/stderr.txt" in outcome.remedy
    assert world.is_let_go(run_id)
    until(lambda: world.storage.logs.exists(f"{run_id}/b00000/stderr.txt"), "Batch has stored the task's words")
    assert f"task of {run_id} ends with 7" in world.storage.logs.need(f"{run_id}/b00000/stderr.txt").data.decode()
    resubmit(world.app, run_id, "missing")
    assert "retries/00000-1" not in world.runs_blobs(run_id), "the sweep may try again"


def note(world: World, run_id: str, *, exit_code: int, task_id: str = "b00000") -> None:
    """Leave what a task says of an error before it ends with `exit_code`."""
    trouble = TaskError(
        run_id=run_id,
        step="00000",
        reason="The program p failed: line 3: KeyError: 'k'",
        remedy="Ask the operator to mend the script",
        code=ErrorCode.INTERNAL_ERROR,
        next_step=NextStep.ASK_OPERATOR,
        task_id=task_id,
        exit_code=exit_code,
        happened_at="2026-01-02T03:04:05+00:00",
    )
    world.storage.runs.write(RunPaths(run_id).error("00000"), trouble.dumps())


def fail_after(world: World, nodes: Nodes, **noted: Any) -> str:
    """Take a run of one batch to its failure with code 7, after a task has left `noted`; returns its id."""
    run_id = world.start("clip", 2)
    note(world, run_id, **noted)
    nodes.let_end(run_id, 7)
    world.pump()
    await_ended(world, run_id, "b00000")
    sweep(world.app)
    return run_id


def test_a_failure_is_told_in_the_tasks_own_words_and_resubmission_forgets_them(
    busy_world: World, nodes: Nodes
) -> None:
    world = busy_world.changed(**NO_GRACE, sweep_retries=0)
    run_id = fail_after(world, nodes, exit_code=7)
    outcome = world.outcome(run_id)
    assert outcome.reason == "Batch 0 failed: The program p failed: line 3: KeyError: 'k'"
    assert (outcome.code, outcome.next_step) == (ErrorCode.INTERNAL_ERROR, NextStep.RESUBMIT)
    assert outcome.remedy.startswith("Ask the operator to mend the script. ")
    assert f"logs/{run_id}/b00000/stderr.txt" in outcome.remedy
    resubmit(world.app, run_id, "missing")
    assert not [name for name in world.runs_blobs(run_id) if name.startswith(("errors/", "failures/"))]


def test_while_a_step_is_tried_again_the_status_tells_why(world: World) -> None:
    run_id = world.start("clip", 4)
    note(world, run_id, exit_code=7)
    (told,) = world.described(run_id)["trouble"]
    assert told == (
        "Batch 0 failed at 2026-01-02T03:04:05+00:00 and may be tried again: The program p failed: line 3: KeyError:"
        " 'k'. Ask the operator to mend the script."
    )
    world.paint(run_id, 0)
    assert world.described(run_id)["trouble"] == [], "it is done"
    assert world.finish(run_id) == "finished"


def test_what_failed_for_good_is_not_told_as_tried_again(world: World) -> None:
    run_id = world.start("clip", 4)
    note(world, run_id, exit_code=7)
    fail(world.storage, run_id, 0)
    described = world.described(run_id)
    assert (described["trouble"], list(described["failures"])) == ([], ["00000"])


@pytest.mark.parametrize("noted", [{"exit_code": 70}, {"exit_code": 7, "task_id": "b00000-2"}])
def test_what_an_earlier_try_said_is_not_taken_for_the_cause(
    busy_world: World, nodes: Nodes, noted: dict[str, Any]
) -> None:
    world = busy_world.changed(**NO_GRACE, sweep_retries=0)
    run_id = fail_after(world, nodes, **noted)
    outcome = world.outcome(run_id)
    assert outcome.reason.startswith("Batch 0 failed: FailureExitCode")
    earlier = f"the task {noted.get('task_id', 'b00000')} had said: The program p failed: line 3: KeyError: 'k')"
    assert outcome.reason.endswith(f"(before that, at 2026-01-02T03:04:05+00:00, {earlier}")
    assert outcome.remedy.startswith(f"Read logs/{run_id}/b00000/stderr.txt")


def test_a_task_that_failed_once_and_then_works_costs_nothing(busy_world: World, nodes: Nodes) -> None:
    world = busy_world.changed(**NO_GRACE)
    run_id = world.start("clip", 2)
    nodes.let_end(run_id, 7)
    world.pump()
    await_ended(world, run_id, "b00000")
    nodes.let_end(run_id, 0)
    sweep(world.app)
    world.paint(run_id)
    world.pump()
    assert world.status(run_id) == "finished"


def test_a_task_that_succeeded_without_a_receipt_gets_a_successor(busy_world: World) -> None:
    world = busy_world.changed(**NO_GRACE)
    run_id = world.start("clip", 2)
    world.pump()
    await_ended(world, run_id, "b00000")
    sweep(world.app)
    await_ended(world, run_id, "b00000", "b00000-2")
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert "b00000-2 ended (exit code 0) without leaving a receipt" in outcome.reason


def test_a_failed_batch_ends_the_run_when_all_others_are_done(busy_world: World, nodes: Nodes) -> None:
    world = busy_world.changed(**NO_GRACE, sweep_retries=0)
    run_id = world.start("clip", 4)
    world.paint(run_id, 1)
    nodes.let_end(run_id, 1)
    take(world.storage.frame_batches)
    sweep(world.app)
    await_ended(world, run_id, "b00000")
    sweep(world.app)
    assert (world.status(run_id), world.described(run_id)["batches"]["failed"]) == ("failed", ["00000"])


def test_a_receipt_left_while_the_sweep_looks_is_no_failure(busy_world: World) -> None:
    """The task may end between the sweep's looks at receipts and at tasks."""
    world = busy_world.changed(**NO_GRACE, sweep_retries=0)
    run_id = world.start("clip", 2)
    world.pump()
    await_ended(world, run_id, "b00000")
    service = world.app.batch
    look = service.tasks

    def tasks(job_id: str):
        world.paint(run_id, message=False)
        return look(job_id)

    service.tasks = tasks
    sweep(world.app)
    assert world.described(run_id)["failures"] == {}
    assert world.status(run_id) == "finished"


def test_a_job_that_somebody_ended_is_replaced(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    sweep(world.changed(**NO_GRACE).app)
    assert sorted(world.tasks(run_id, 1)) == ["b00000", "b00001", "b00002"]
    world.paint(run_id)
    world.pump()
    assert world.status(run_id) == "finished"
    assert world.is_let_go(run_id)


@pytest.mark.parametrize("stage", ["waiting", "scoring"])
def test_a_run_over_its_time_ends_in_words_and_can_be_resumed(world: World, stage: str) -> None:
    limited = world.changed(max_open_runs=0) if stage == "waiting" else world
    run_id = limited.start("clip")
    request = Request.load_stored(world.storage.runs.need(RunPaths(run_id).request).data)
    early = dt.datetime.fromisoformat(request.received_at) - world.app.run_limit - dt.timedelta(seconds=1)
    world.storage.runs.write(
        RunPaths(run_id).request, request.model_copy(update={"received_at": early.isoformat()}).dumps()
    )
    sweep(limited.app)
    outcome = world.outcome(run_id)
    assert (outcome.status, "2 days" in outcome.reason) == ("failed", True)
    assert "resubmit" in outcome.remedy
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.finish(run_id) == "finished"


def test_marks_that_were_left_over_are_taken_away(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    world.storage.runs.create(RunPaths("never-was-0123456789").open_mark, b"")
    world.storage.output.delete(RunPaths(run_id).report)
    sweep(world.app)
    assert list(world.storage.runs.list("open/")) == []
    assert world.report(run_id)["status"] == "finished"


def test_a_run_whose_planning_died_is_planned(world: World) -> None:
    run_id = world.start("clip")
    plan = read_plan(world.storage, run_id)
    for blob in (RunPaths(run_id).plan, RunPaths(run_id).queued("batches")):
        world.storage.runs.delete(blob)
    sweep(world.app)
    assert read_plan(world.storage, run_id) == plan
    assert world.finish(run_id) == "finished"


def test_one_run_in_trouble_does_not_keep_the_others_waiting(world: World) -> None:
    bad, good = world.start("a bad one", 2), world.start("good", 2)
    world.pump()
    world.paint(good, message=False)
    world.storage.runs.write(RunPaths(bad).plan, b"no JSON")
    with pytest.raises(ExceptionGroup, match="could not put every run right") as raised:
        sweep(world.app)
    assert len(raised.value.exceptions) == 1
    assert world.status(good) == "finished"


def test_a_failure_that_nobody_was_told_of_ends_the_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.pump()
    fail(world.storage, run_id, 0)
    take(world.storage.finished_batches)
    sweep(world.app)
    assert world.status(run_id) == "failed"


def test_a_lost_join_task_is_made_good(world: World) -> None:
    small = world.changed(join_in_function_bytes=100, **NO_GRACE)
    run_id = small.start("clip", 2)
    small.finish(run_id)
    small.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    sweep(small.app)
    assert sorted(small.tasks(run_id, 1)) == ["join"]


def test_a_join_task_that_left_no_video_is_tried_again_and_then_told(busy_world: World) -> None:
    small = busy_world.changed(join_in_function_bytes=100, **NO_GRACE)
    run_id = small.start("clip", 2)
    small.finish(run_id)
    await_ended(small, run_id, "join")
    sweep(small.app)
    await_ended(small, run_id, "join-2")
    sweep(small.app)
    assert (small.status(run_id), "join-2" in small.outcome(run_id).reason) == ("failed", True)


def test_a_batch_message_of_a_step_that_failed_for_good_places_nothing(world: World) -> None:
    run_id = world.start("clip", 4)
    take(world.storage.frame_batches)
    fail(world.storage, run_id, 1)
    submit_batch(world.app, message(run_id, 1))
    assert world.tasks(run_id) == {}
