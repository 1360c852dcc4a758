"""A run's progress counts the frames of receipts and of running tasks, and says what it waits for."""

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.progress import StepProgress, TaskStage
from orchestration.preflight import check_run, store_check
from orchestration.reporting.progress import STAGES, WAITING_FOR_NODE, WAITING_FOR_SLOT, WAITING_LOCALLY
from orchestration.reporting.timeline import read_task_starts
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


def write_progress(
    world: World, run_id: str, step: str, frames: int, seconds: float = 1, stage: TaskStage = "working"
) -> None:
    progress = StepProgress(
        stage=stage,
        run_id=run_id,
        step=step,
        frames=frames,
        seconds=seconds,
        task_id=f"b{step}",
        written_at=world.clock.now().isoformat(),
    )
    world.storage.runs.write(RunPaths(run_id).step_progress(step), progress.dumps())


def started(count: int = 6) -> tuple[World, str]:
    world = InMemoryCloud().world()
    run_id = world.start("clip", count)
    world.deliver_messages()
    return world, run_id


def test_frames_of_receipts_and_running_tasks_are_added() -> None:
    world, run_id = started()
    world.score(run_id, 0, message=False)
    write_progress(world, run_id, "00001", 1, seconds=2)
    write_progress(world, run_id, "00002", 1, seconds=4)
    assert world.status_document(run_id)["progress"] == {
        "frames_done": 4,
        "frames": 6,
        "frames_per_second": 0.75,
        "seconds_left": 2.7,
        "reason": "",
        "tuning": None,
    }


def test_receipt_supersedes_the_progress_of_its_task() -> None:
    world, run_id = started()
    write_progress(world, run_id, "00000", 1)
    world.score(run_id, 0, message=False)
    progress = world.status_document(run_id)["progress"]
    assert (progress["frames_done"], progress["frames_per_second"]) == (2, None)


def test_progress_never_exceeds_the_batch() -> None:
    world, run_id = started()
    write_progress(world, run_id, "00000", 99)
    assert world.status_document(run_id)["progress"]["frames_done"] == 2


@pytest.mark.parametrize(("field", "value"), [(b'"frames": 1', 400 * b"9"), (b'"seconds": 7.0', b"1e300")])
def test_vast_numbers_of_a_task_are_left_out(field: bytes, value: bytes) -> None:
    world, run_id = started()
    write_progress(world, run_id, "00000", 1, seconds=7)
    name = RunPaths(run_id).step_progress("00000")
    progress = world.storage.runs.need(name).data
    world.storage.runs.write(name, progress.replace(field, field.partition(b" ")[0] + b" " + value))
    document = world.status_document(run_id)["progress"]
    assert (document["frames_done"], document["frames_per_second"]) == (0, None)
    listed = {item.name: item for item in world.storage.runs.list(RunPaths(run_id).folder)}
    assert list(read_task_starts(world.storage.runs, run_id, listed)) == []


def test_old_progress_has_no_rate() -> None:
    world, run_id = started()
    write_progress(world, run_id, "00000", 1)
    world.clock.advance(minutes=3)
    progress = world.status_document(run_id)["progress"]
    assert (progress["frames_done"], progress["frames_per_second"], progress["seconds_left"]) == (1, None, None)


def test_a_run_says_what_its_first_task_does_before_the_first_frame() -> None:
    world, run_id = started()
    stages: tuple[TaskStage, ...] = ("loading", "measuring")
    for stage in stages:
        write_progress(world, run_id, "00000", 0, stage=stage)
        assert world.status_document(run_id)["progress"]["reason"] == STAGES[stage]
    write_progress(world, run_id, "00001", 0)
    assert world.status_document(run_id)["progress"]["reason"] == ""


def test_a_run_that_has_frames_does_not_speak_of_a_starting_task() -> None:
    world, run_id = started()
    world.score(run_id, 0, message=False)
    write_progress(world, run_id, "00001", 0, stage="loading")
    assert world.status_document(run_id)["progress"]["reason"] == ""


def test_run_without_a_task_says_what_it_waits_for() -> None:
    world, run_id = started()
    assert world.status_document(run_id)["progress"]["reason"] == WAITING_LOCALLY
    write_progress(world, run_id, "00000", 0)
    assert world.status_document(run_id)["progress"]["reason"] == ""


def test_run_in_azure_waits_for_a_node() -> None:
    world, run_id = started()
    check = check_run(world.app, run_id, image="stub:1").model_copy(update={"vm_size": "Standard_NC4as_T4_v3"})
    store_check(world.app, run_id, check)
    assert world.status_document(run_id)["progress"]["reason"] == WAITING_FOR_NODE


def test_run_without_a_slot_waits_for_it() -> None:
    world = InMemoryCloud().world(max_open_runs=1)
    world.start("first")
    assert world.status_document(world.start("second"))["progress"]["reason"] == WAITING_FOR_SLOT


def test_split_shows_its_frames() -> None:
    world = InMemoryCloud().world()
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    write_progress(world, run_id, "split", 40, seconds=2)
    progress = world.status_document(run_id)["progress"]
    assert (progress["frames_done"], progress["frames"], progress["frames_per_second"]) == (40, None, 20)


def test_unreadable_progress_is_left_out() -> None:
    world, run_id = started()
    world.storage.runs.write(RunPaths(run_id).step_progress("00000"), b"not JSON")
    assert world.status_document(run_id)["progress"]["frames_done"] == 0


def test_ended_run_has_all_frames() -> None:
    world, run_id = started()
    assert world.finish(run_id) == "finished"
    progress = world.status_document(run_id)["progress"]
    assert (progress["frames_done"], progress["frames"], progress["seconds_left"]) == (6, 6, None)
