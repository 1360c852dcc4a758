"""The status document of a run."""

import pytest

from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import TaskError
from orchestration.handlers.resubmit import resubmit
from orchestration.preflight import check_run
from tests.support.fake_node import fail
from tests.support.world import World


def test_status_has_expected_then_actual_cost(world: World) -> None:
    world = world.changed(prices='{"vm_hour_usd": {"local": 100000.0}}')
    run_id = world.start("clip")
    world.deliver_messages()
    expected = world.status_document(run_id)["cost"]["expected"]
    assert (expected["vm_size"], expected["usd"]["dedicated"] > 0) == ("local", True)
    assert world.finish(run_id) == "finished"
    actual = world.status_document(run_id)["cost"]
    assert actual == world.report(run_id)["cost"]
    assert actual["usd"]["total"] > actual["usd"]["tasks"] > 0


def test_status_without_plan_has_no_expected_cost(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    assert world.status_document(run_id)["cost"] == {"expected": None}
    check_run(world.app, run_id, image="stub:1")
    assert world.app.storage.runs.exists(RunPaths(run_id).pool_check)


def store_error(world: World, run_id: str) -> None:
    """Store the error of a failed attempt of batch 0."""
    error = TaskError(
        run_id=run_id,
        step="00000",
        reason="The program p failed: line 3: KeyError: 'k'",
        remedy="Ask the operator to fix the script",
        task_id="b00000",
        exit_code=7,
        happened_at="2026-01-02T03:04:05+00:00",
    )
    world.storage.runs.write(RunPaths(run_id).error("00000"), error.dumps())


def test_status_shows_error_of_retried_task(world: World) -> None:
    run_id = world.start("clip", 4)
    store_error(world, run_id)
    (problem,) = world.status_document(run_id)["trouble"]
    assert problem.startswith("Batch 0 failed at 2026-01-02T03:04:05+00:00")
    assert problem.endswith("The program p failed: line 3: KeyError: 'k'. Ask the operator to fix the script.")
    world.score(run_id, 0)
    assert world.status_document(run_id)["trouble"] == [], "the batch has a receipt"
    assert world.finish(run_id) == "finished"


def test_status_hides_error_of_failed_step(world: World) -> None:
    run_id = world.start("clip", 4)
    store_error(world, run_id)
    fail(world.storage, run_id, 0)
    document = world.status_document(run_id)
    assert (document["trouble"], list(document["failures"])) == ([], ["00000"])


def test_status_has_code_and_next_step_of_a_failed_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    document = world.status_document(run_id)
    assert (document["code"], document["next_step"]) == (None, None)
    fail(world.storage, run_id, 0)
    world.deliver_messages()
    document = world.status_document(run_id)
    assert (document["code"], document["next_step"]) == (ErrorCode.INVALID_INPUT, NextStep.RESUBMIT)


@pytest.mark.parametrize("document", ["request.json", "plan.json"])
def test_finished_run_with_a_damaged_document_still_has_its_video(world: World, document: str) -> None:
    run_id = world.start("clip")
    assert world.finish(run_id) == "finished"
    world.storage.runs.write(f"{run_id}/{document}", b"")
    status = world.status_document(run_id)
    assert (status["status"], status["video"], status["records"]) == (
        "finished", f"output/{RunPaths(run_id).video('mp4')}", None
    )  # fmt: skip


def test_failed_run_whose_request_is_damaged_needs_a_new_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    world.deliver_messages()
    assert world.status_document(run_id)["next_step"] == NextStep.RESUBMIT
    world.storage.runs.write(RunPaths(run_id).request, b"{")
    status = world.status_document(run_id)
    assert (status["status"], status["next_step"]) == ("failed", NextStep.START_NEW_RUN)
    assert status["reason"] == world.outcome(run_id).reason
    with pytest.raises(DamagedError):
        resubmit(world.app, run_id, "missing")


@pytest.mark.parametrize("step", ["\u00b2", "\u0663", "-1", "", "x" * 1000])
def test_task_error_names_the_step_of_its_place(world: World, step: str) -> None:
    """The text is a node's: digits that int() refuses, or another step, must not end the request."""
    run_id = world.start("clip", 4)
    store_error(world, run_id)
    stored = TaskError.load_stored(world.storage.runs.need(RunPaths(run_id).error("00000")).data)
    world.storage.runs.write(RunPaths(run_id).error("00000"), stored.model_copy(update={"step": step}).dumps())
    (problem,) = world.status_document(run_id)["trouble"]
    assert problem.startswith("Batch 0 failed")


@pytest.mark.parametrize(
    "name", ["batches/00003.json", "batches/99999.json", "batches/\u0660\u0660\u0660\u0660\u0661.json"]
)
def test_only_batches_of_the_plan_are_counted(world: World, name: str) -> None:
    run_id = world.start("clip")
    world.score(run_id, 1)
    world.storage.runs.write(f"{run_id}/{name}", world.storage.runs.need(RunPaths(run_id).receipt(1)).data)
    assert world.status_document(run_id)["batches"]["done"] == 1
    assert world.finish(run_id) == "finished"
