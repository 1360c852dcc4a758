"""Joining: damage is scored again, large results are joined by a task, failures end the run."""

import json

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.receipts import read_receipt
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from orchestration.runs.joining import MAX_JOINED_FRAMES, MAX_PART_BYTES, fits_in_function
from orchestration.state import write_failure
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from tests.support.world import World, message


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


def _truncate_segment(world: World, run_id: str) -> None:
    name = read_receipt(world.storage, run_id, 1).segment.name
    world.storage.work.write(name, world.storage.work.need(name).data[:-7])


def _delete_segment(world: World, run_id: str) -> None:
    world.storage.work.delete(read_receipt(world.storage, run_id, 1).segment.name)


def _delete_frame(world: World, run_id: str) -> None:
    world.storage.work.delete(read_receipt(world.storage, run_id, 1).frames[1].name)


def _change_frame(world: World, run_id: str) -> None:
    frame = read_receipt(world.storage, run_id, 1).frames[0]
    world.storage.work.write(frame.name, bytes(frame.size))


def _empty_frame(world: World, run_id: str) -> None:
    world.storage.work.write(read_receipt(world.storage, run_id, 1).frames[0].name, b"")


@pytest.mark.parametrize("damage", [_truncate_segment, _delete_segment, _delete_frame, _change_frame, _empty_frame])
def test_damaged_batch_is_scored_again(world: World, run_id: str, damage) -> None:
    world.score(run_id, message=False)
    damage(world, run_id)
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "scoring"
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    blobs = world.runs_blobs(run_id)
    assert "batches/00001.json" not in blobs
    assert {"batches/00000.json", "batches/00002.json"} <= blobs
    assert len([name for name in blobs if name.startswith("damaged/00001-")]) == 1
    assert world.tasks(run_id)["b00001"].is_active, "the batch has a task again"
    world.score(run_id, 1)
    world.deliver_messages()
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6


def test_rewritten_identical_frames_are_not_damaged(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    for stored in read_receipt(world.storage, run_id, 1).frames:
        world.storage.work.write(stored.name, world.storage.work.need(stored.name).data)
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "finished"


def test_missing_audio_fails_run(world: World) -> None:
    world.upload_frames("clip", 2)
    track = {"codec": "aac", "sample_rate": 48_000, "channels": 2, "start": "0/1", "packets": 9}
    manifest = json.loads(world.storage.input.need("clip/manifest.json").data)
    changed = manifest | {"audio_file": "audio.mp4", "audio": [track]}
    world.upload_files("clip", {"manifest.json": json.dumps(changed).encode(), "audio.mp4": b"sound"})
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    world.deliver_messages()
    world.storage.input.delete("clip/audio.mp4")
    world.score(run_id)
    world.deliver_messages()
    outcome = world.outcome(run_id)
    assert (outcome.status, "clip/audio.mp4" in outcome.reason) == ("failed", True)
    assert world.is_released(run_id)


def test_invalid_segment_fails_run(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    receipt = read_receipt(world.storage, run_id, 2)
    etag = world.storage.work.write(receipt.segment.name, b"proved, but no video")
    segment = receipt.segment.model_copy(
        update={"size": 20, "sha256": sha256_of(b"proved, but no video"), "etag": etag}
    )
    world.storage.runs.write(RunPaths(run_id).receipt(2), receipt.model_copy(update={"segment": segment}).dumps())
    finish_batch(world.app, message(run_id, "advance"))
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert receipt.segment.name in outcome.reason
    assert world.report(run_id)["reason"] == outcome.reason
    assert "join" in world.status_document(run_id)["failures"]
    assert world.is_released(run_id)


def test_large_video_is_joined_by_a_task(world: World) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 4)
    small.deliver_messages()
    small.score(run_id)
    small.deliver_messages(times=3)
    assert (small.status(run_id), sorted(small.tasks(run_id))) == ("joining", ["b00000", "b00001", "join"])
    perform(Task(storage=small.storage, run_id=run_id, step="join", task_id="join", dedicated=None), join_run)
    small.deliver_messages()
    assert small.status(run_id) == "finished"


def test_failed_join_task_fails_run(world: World) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 4)
    small.deliver_messages()
    small.score(run_id)
    small.deliver_messages()
    write_failure(
        small.storage,
        Failure(
            run_id=run_id,
            step="join",
            reason="The disk is full",
            remedy="R",
            failed_at=world.app.clock.now().isoformat(),
        ),
    )
    finish_batch(small.app, message(run_id, "join"))
    assert (small.status(run_id), small.outcome(run_id).reason) == ("failed", "The disk is full")


def test_damage_found_by_join_task_is_scored_again(world: World) -> None:
    large = world.changed(join_in_function_bytes=1)
    run_id = large.start("clip")
    large.deliver_messages()
    large.score(run_id)
    large.deliver_messages()
    assert "join" in large.tasks(run_id)
    segment = next(item.name for item in large.storage.work.list(f"{run_id}/segments/00001"))
    large.storage.work.write(segment, b"damaged")
    task = Task(storage=large.storage, run_id=run_id, step="join", task_id="join", dedicated=None)
    perform(task, join_run)
    finish_batch(large.app, message(run_id, "join"))
    large.deliver_messages()
    submit_batch(large.app, message(run_id, 1))
    assert large.status(run_id) == "scoring"
    large.score(run_id)
    large.deliver_messages()
    perform(task, join_run)
    large.deliver_messages()
    assert large.status(run_id) == "finished"


@pytest.mark.parametrize(
    ("sizes", "frames", "fits"),
    [
        ([MAX_PART_BYTES, 1], MAX_JOINED_FRAMES, True),
        ([MAX_PART_BYTES + 1], 1, False),
        ([1], MAX_JOINED_FRAMES + 1, False),
        ([MAX_PART_BYTES] * 3, 1, False),
    ],
)
def test_function_joins_what_fits_into_its_memory(sizes: list[int], frames: int, fits: bool) -> None:
    assert fits_in_function(sizes, frames, limit=3 * MAX_PART_BYTES - 1) is fits
