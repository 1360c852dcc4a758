"""The run lifecycle in memory and on Azurite with the local Batch service: keeps the in-memory world honest."""

from functools import partial
from pathlib import Path

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.receipts import read_receipt
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from scoring.tasks.base import Task, perform
from scoring.tasks.split import split_video
from tests.support.azurite_world import azurite_world
from tests.support.clips import Clip, Tone, make_clip
from tests.support.crash import SimulatedCrash, crash_after
from tests.support.fake_node import fail, read_plan, split
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain, in_parallel, message


@pytest.fixture(params=["memory", "azurite"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return InMemoryCloud().world()
    return azurite_world(request.getfixturevalue("emulators").settings)


@pytest.mark.parametrize("scorer", ["copy", "describe"])
def test_run_from_trigger_to_product(world: World, scorer: str) -> None:
    run_id = world.start("clip", scorer=scorer)
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "finished"
    assert world.report(run_id)["scoring"]["frames"] == 6
    assert world.is_released(run_id)


def test_video_is_split_first(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    assert (world.status(run_id), sorted(world.tasks(run_id))) == ("splitting", ["split"])
    split(world.storage, run_id, 3)
    world.deliver_messages()
    assert world.finish(run_id) == "finished"


def start_with_video_alone(world: World, folder: Path) -> tuple[str, bytes]:
    """Upload a video in blocks, as browsers do, and its trigger file; have a task index it. Return run and video."""
    video = make_clip(folder / "clip.mp4", Clip(frames=60, audio=(Tone(seconds=2),))).read_bytes()
    writer = world.storage.input.block_writer("clip/clip.mp4")
    writer.stage("000", video)
    writer.commit(["000"])
    run_id = world.fire_trigger(world.upload_trigger("clip", video="clip.mp4", frames_per_batch=20))
    world.deliver_messages()
    assert (world.status(run_id), sorted(world.tasks(run_id))) == ("splitting", ["split"])
    perform(Task(storage=world.storage, run_id=run_id, step="split", task_id="split"), split_video)
    return run_id, video


def test_video_alone_is_indexed_first(world: World, tmp_path: Path) -> None:
    run_id, _ = start_with_video_alone(world, tmp_path)
    assert [item.name for item in world.storage.work.list(f"{run_id}/")] == [f"{run_id}/split/audio.mp4"]
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 60
    assert (read_plan(world.storage, run_id).source, world.report(run_id)["clip"]["frames"]) == ("video", 60)
    child = resubmit(world.app, run_id, [1])
    assert world.finish(child) == "finished"
    assert world.video(child) == world.video(run_id)


def test_video_that_is_replaced_after_its_index_was_made_is_refused(world: World, tmp_path: Path) -> None:
    run_id, video = start_with_video_alone(world, tmp_path)
    world.storage.input.delete("clip/clip.mp4")
    writer = world.storage.input.block_writer("clip/clip.mp4")
    writer.stage("000", video + b"more")
    writer.commit(["000"])
    world.deliver_messages()
    assert world.status(run_id) == "refused"
    assert world.outcome(run_id).code is ErrorCode.INPUT_CHANGED


def test_invalid_trigger_is_refused(world: World) -> None:
    run_id = world.fire_trigger(world.upload_trigger("clip", b"not JSON"))
    assert (world.status(run_id), world.report(run_id)["status"]) == ("refused", "refused")


def test_concurrent_starts_respect_the_limit(world: World) -> None:
    narrow = world.changed(max_open_runs=2)
    narrow.upload_frames("clip", 2)
    triggers = [narrow.upload_trigger(f"clip {number}", input="clip") for number in range(4)]
    run_ids = in_parallel([partial(narrow.fire_trigger, trigger) for trigger in triggers])
    sweep(narrow.app)
    assert sorted(map(narrow.status, run_ids)) == ["scoring", "scoring", "waiting", "waiting"]


def test_concurrent_deliveries_start_one_run(world: World) -> None:
    world.upload_frames("clip")
    trigger = world.upload_trigger("clip")
    (run_id,) = set(in_parallel([lambda: world.fire_trigger(trigger)] * 5))
    world.deliver_messages(times=2)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]
    assert len(list(world.storage.runs.list("slots/"))) == 1
    world.score(run_id, message=False)
    in_parallel([lambda: finish_batch(world.app, message(run_id, "advance"))] * 4)
    world.deliver_messages()
    assert (world.status(run_id), world.frame_count(run_id)) == ("finished", 6)


def test_failed_batch_can_be_resubmitted(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.deliver_messages()
    assert (world.status(run_id), world.is_released(run_id)) == ("failed", True)
    resubmit(world.app, run_id, "missing")
    assert sorted(world.tasks(run_id, 1)) == ["b00001"]
    assert world.finish(run_id) == "finished"


def test_cancelled_run_can_be_resumed(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    in_parallel([lambda: cancel(world.app, run_id)] * 3)
    assert (world.status(run_id), world.is_released(run_id)) == ("cancelled", True)
    resubmit(world.app, run_id, "missing")
    assert world.finish(run_id) == "finished"


def test_rerun_reuses_segments(world: World) -> None:
    first = world.start("clip")
    world.finish(first)
    second = resubmit(world.app, first, [1])
    assert world.finish(second) == "finished"
    assert read_receipt(world.storage, second, 0).segment == read_receipt(world.storage, first, 0).segment
    assert world.video(second) == world.video(first)


def test_lost_messages_are_replaced_by_the_sweep(world: World) -> None:
    run_id = world.start("clip")
    drain(world.storage.frame_batches)
    sweep(world.app)
    assert world.tasks(run_id) == {}
    world.clock.advance(seconds=world.app.settings.sweep_grace_seconds + 1)
    sweep(world.app)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]


def test_closed_job_gets_a_successor(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 0))
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "test")
    in_parallel([partial(submit_batch, world.app, message(run_id, step)) for step in (0, 1, 2)])
    assert sorted(world.tasks(run_id, 1)) == ["b00000", "b00001", "b00002"]


def test_damaged_segment_is_scored_again(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, message=False)
    world.storage.work.write(RunPaths(run_id).segment(1), b"damaged")
    finish_batch(world.app, message(run_id, "advance"))
    assert (world.status(run_id), world.tasks(run_id)["b00001"].is_active) == ("scoring", True)
    world.score(run_id, 1)
    finish_batch(world.app, message(run_id, "advance"))
    assert (world.status(run_id), world.frame_count(run_id)) == ("finished", 6)


@pytest.mark.parametrize("writes", [0, 2, 4, 6])
def test_crash_while_finishing_is_repaired_by_the_sweep(world: World, writes: int) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)
    with pytest.raises(SimulatedCrash):
        finish_batch(crash_after(world.app, writes), message(run_id, 0))
    sweep(world.app)
    assert (world.status(run_id), world.frame_count(run_id), world.is_released(run_id)) == ("finished", 2, True)
