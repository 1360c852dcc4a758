"""The sweep against a Batch service whose nodes execute tasks."""

import pytest

from frame_tools.contracts.errors import ErrorCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import TaskError
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from tests.integration.orchestration.conftest import Nodes
from tests.support.waiting import until
from tests.support.world import World


def wait_for_end(world: World, run_id: str, *task_ids: str, job: int = 0) -> None:
    """Wait until Batch has completed the tasks."""

    def have_ended() -> bool:
        tasks = world.tasks(run_id, job)
        return all(task_id in tasks and not tasks[task_id].is_active for task_id in task_ids)

    until(have_ended, f"the tasks {task_ids} of {run_id} have ended")


def start_failing_run(world: World, nodes: Nodes) -> str:
    """Start a run of one batch whose task fails with exit code 7; return the run id."""
    run_id = world.start("clip", 2)
    nodes.set_exit_code(run_id, 7)
    world.deliver_messages()
    wait_for_end(world, run_id, "b00000")
    return run_id


def test_failed_task_is_retried_once_then_fails_run(world_with_nodes: World, nodes: Nodes) -> None:
    world = world_with_nodes
    run_id = start_failing_run(world, nodes)
    sweep(world.app)
    assert world.status(run_id) == "scoring"
    assert "retries/00000-1" in world.runs_blobs(run_id)
    wait_for_end(world, run_id, "b00000")
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert (outcome.status, "Batch 0" in outcome.reason) == ("failed", True)
    assert world.is_released(run_id)
    stderr = f"{RunPaths(run_id).task_output_folder('b00000')}/stderr.txt"
    assert f"logs/{stderr}" in outcome.remedy
    until(lambda: world.storage.logs.exists(stderr), "Batch has stored the task's stderr")
    assert f"task of {run_id} ends with 7" in world.storage.logs.need(stderr).data.decode()
    resubmit(world.app, run_id, "missing")
    assert "retries/00000-1" not in world.runs_blobs(run_id), "the sweep may retry again"


def test_failure_without_task_error_is_described_by_batch(world_with_nodes: World, nodes: Nodes) -> None:
    world = world_with_nodes.changed(sweep_retries=0)
    run_id = start_failing_run(world, nodes)
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert (outcome.code, "FailureExitCode" in outcome.reason) == (ErrorCode.TASK_FAILED, True)


@pytest.mark.parametrize(("exit_code", "is_own_error"), [(7, True), (70, False)])
def test_failure_uses_task_error_with_matching_exit_code(
    world_with_nodes: World, nodes: Nodes, exit_code: int, is_own_error: bool
) -> None:
    world = world_with_nodes.changed(sweep_retries=0)
    run_id = start_failing_run(world, nodes)
    error = TaskError(
        run_id=run_id,
        step="00000",
        reason="The program p failed",
        remedy="Fix it",
        code=ErrorCode.INTERNAL_ERROR,
        task_id="b00000",
        exit_code=exit_code,
        happened_at="2026-01-02T03:04:05+00:00",
    )
    world.storage.runs.write(RunPaths(run_id).error("00000"), error.dumps())
    sweep(world.app)
    outcome = world.outcome(run_id)
    assert outcome.code == (ErrorCode.INTERNAL_ERROR if is_own_error else ErrorCode.TASK_FAILED)
    assert ("FailureExitCode" in outcome.reason, "The program p failed" in outcome.reason) == (not is_own_error, True)


def test_task_that_succeeds_on_retry_finishes_run(world_with_nodes: World, nodes: Nodes) -> None:
    world = world_with_nodes
    run_id = start_failing_run(world, nodes)
    nodes.set_exit_code(run_id, 0)
    sweep(world.app)
    world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"


def test_succeeded_task_without_receipt_gets_a_successor(world_with_nodes: World) -> None:
    world = world_with_nodes
    run_id = world.start("clip", 2)
    world.deliver_messages()
    wait_for_end(world, run_id, "b00000")
    sweep(world.app)
    wait_for_end(world, run_id, "b00000", "b00000-2")
    sweep(world.app)
    assert (world.status(run_id), "b00000-2" in world.outcome(run_id).reason) == ("failed", True)
