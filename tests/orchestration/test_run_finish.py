"""The end of a batch and of a run: receipts count, messages do not; damage is scored again; the video is made once."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from frame_tools.assembly import assemble_output, read_receipt
from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from frame_tools.storage.blobs import Container, Lease, sha256_of
from frame_tools.storage.blobs import lease as lease_module
from orchestration.app import now
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from orchestration.state import write_failure
from tests.support.fake_node import fail, paint, read_plan
from tests.support.waiting import until
from tests.support.world import World, in_parallel, message, take


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been placed."""
    run_id = world.start("clip")
    world.pump()
    return run_id


def test_messages_without_receipts_finish_nothing(world: World, run_id: str) -> None:
    for batch in (0, 1, 2, 2, 1, 0):
        finish_batch(world.app, message(run_id, batch))
    assert world.status(run_id) == "scoring"
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


@pytest.mark.parametrize("seed", range(3))
def test_duplicates_in_any_order_finish_once(world: World, run_id: str, seed: int) -> None:
    world.paint(run_id, message=False)
    texts = [message(run_id, batch) for batch in (0, 1, 2)] * 3
    random.Random(seed).shuffle(texts)
    for text in texts:
        finish_batch(world.app, text)
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6


def test_one_message_a_batch_finishes_without_the_sweep(world: World, run_id: str) -> None:
    for batch in (2, 0, 1):
        world.paint(run_id, batch)
        world.pump()
    assert world.status(run_id) == "finished"


def test_a_completion_log_that_got_lost_costs_nothing_but_counts(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    finish_batch(world.app, message(run_id, 0))
    world.storage.runs.delete(RunPaths(run_id).completion_log)
    for batch in (0, 1, 2):
        finish_batch(world.app, message(run_id, batch))
    assert world.status(run_id) == "finished"


def test_a_completion_log_that_takes_no_more_makes_every_message_look(world: World, run_id: str) -> None:
    """Storage refuses the 50,001st append with 409; a blob of another kind under the log's name is refused alike."""
    world.paint(run_id, message=False)
    world.storage.runs.write(RunPaths(run_id).completion_log, b"")
    finish_batch(world.app, message(run_id, 0))
    assert world.status(run_id) == "finished"


def test_eight_last_messages_at_once_make_one_video(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    in_parallel([lambda: finish_batch(world.app, message(run_id, 2))] * 8)
    world.pump()
    finish_batch(world.app, message(run_id, "look"))
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6
    blocks = world.storage.output._client.get_blob_client(RunPaths(run_id).video("mp4")).get_block_list("all")
    assert blocks[1] == [], "nobody has left blocks of a second video behind"


class LosesLease(Container):
    """The container `work`, whose segments are read only when the join's lease has been taken away."""

    runs: "Remembering"

    def read(self, name: str, **options: Any) -> Any:
        if "/segments/" in name and (lease := self.runs.held) and not lease.lost:
            lease._client.break_lease(lease_break_period=0)
            until(lambda: lease.lost, "the holder knows that its lease is gone")
        return super().read(name, **options)


class Remembering(Container):
    """The container `runs`, which remembers the lease that is held."""

    held: Lease | None = None

    @contextmanager
    def lease(self, name: str) -> Iterator[Lease | None]:
        with super().lease(name) as lease:
            self.held = lease
            yield lease


def test_a_joiner_that_lost_its_lease_commits_nothing(
    world: World, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 0.1)  # how often it is renewed; it still lasts for 60 s
    world.paint(run_id, message=False)
    work, runs = LosesLease(world.storage.work._client), Remembering(world.storage.runs._client)
    work.runs = runs
    with pytest.raises(TemporaryError, match="lease was lost"):
        assemble_output(replace(world.storage, work=work, runs=runs), run_id)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).video("mp4"), "the next joiner gets the lease"
    assert world.frame_count(run_id) == 6


def test_the_same_input_gives_the_same_bytes_and_the_report_says_what_was_done(world: World, run_id: str) -> None:
    world.paint(run_id)
    world.pump()
    other = world.start("clip")
    world.finish(other)
    assert world.video(run_id) == world.video(other)
    report = world.report(run_id)
    assert (report["status"], report["video"], report["name"]) == ("finished", f"{run_id}/video.mp4", "clip")
    assert report["plan"]["borders"] == [0, 2, 4, 6]
    assert report["scoring"] == {
        "frames": 6,
        "batches": 3,
        "batches_planned": 3,
        "task_seconds": 6.0,
        "start_up_seconds": 3.0,
        "infer_seconds_per_image": 0.2,
        "load_seconds_per_image": 0.1,
        "save_seconds_per_image": 0.3,
        "devices": ["cpu"],
        "versions": ["painter 1"],
    }


def _damage_segment(world: World, run_id: str) -> None:
    name = read_receipt(world.storage, run_id, 1).segment.name
    world.storage.work.write(name, world.storage.work.need(name).data[:-7])


def _remove_segment(world: World, run_id: str) -> None:
    world.storage.work.delete(read_receipt(world.storage, run_id, 1).segment.name)


def _remove_frame(world: World, run_id: str) -> None:
    world.storage.work.delete(read_receipt(world.storage, run_id, 1).frames[1].name)


def _change_frame(world: World, run_id: str) -> None:
    frame = read_receipt(world.storage, run_id, 1).frames[0]
    world.storage.work.write(frame.name, bytes(frame.size))


def _empty_frame(world: World, run_id: str) -> None:
    world.storage.work.write(read_receipt(world.storage, run_id, 1).frames[0].name, b"")


@pytest.mark.parametrize("damage", [_damage_segment, _remove_segment, _remove_frame, _change_frame, _empty_frame])
def test_damage_between_task_and_join_is_scored_again(world: World, run_id: str, damage) -> None:
    world.paint(run_id, message=False)
    damage(world, run_id)
    finish_batch(world.app, message(run_id, "look"))
    assert world.status(run_id) == "scoring"
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    blobs = world.runs_blobs(run_id)
    assert "batches/00001.json" not in blobs
    assert {"batches/00000.json", "batches/00002.json"} <= blobs
    assert len([name for name in blobs if name.startswith("damaged/00001-")]) == 1
    assert world.tasks(run_id)["b00001"].alive, "the batch has a task that will score it again"
    world.paint(run_id, 1)
    world.pump()
    finish_batch(world.app, message(run_id, "look"))
    assert world.status(run_id) == "finished"
    assert world.frame_count(run_id) == 6


def test_frames_written_again_with_the_same_bytes_are_no_damage(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    for stored in read_receipt(world.storage, run_id, 1).frames:
        world.storage.work.write(stored.name, world.storage.work.need(stored.name).data)
    finish_batch(world.app, message(run_id, "look"))
    assert world.status(run_id) == "finished"


def test_sound_that_vanished_before_the_join_ends_the_run_in_words(world: World) -> None:
    run_id = world.start("clip", 2)
    world.pump()
    plan = read_plan(world.storage, run_id)
    gone = plan.model_dump(mode="json", exclude_none=True) | {"audio": {"container": "input", "name": "clip/audio.mp4"}}
    world.storage.runs.write(RunPaths(run_id).plan, json.dumps(gone).encode())
    world.paint(run_id)
    world.pump()
    outcome = world.outcome(run_id)
    assert (outcome.status, "clip/audio.mp4" in outcome.reason) == ("failed", True)
    assert world.is_let_go(run_id)


def test_a_join_that_fails_for_good_ends_the_run_in_words(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    receipt = read_receipt(world.storage, run_id, 2)
    etag = world.storage.work.write(receipt.segment.name, b"proved, but no video")
    segment = receipt.segment.model_copy(
        update={"size": 20, "sha256": sha256_of(b"proved, but no video"), "etag": etag}
    )
    world.storage.runs.write(RunPaths(run_id).receipt(2), receipt.model_copy(update={"segment": segment}).dumps())
    finish_batch(world.app, message(run_id, "look"))
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert receipt.segment.name in outcome.reason
    assert world.report(run_id)["reason"] == outcome.reason
    assert "join" in world.described(run_id)["failures"]
    assert world.is_let_go(run_id)


def test_one_failed_batch_costs_one_batch(world: World, run_id: str) -> None:
    fail(world.storage, run_id, 1)
    world.pump()
    assert world.status(run_id) == "scoring", "the others go on"
    world.paint(run_id, 0, 2)
    world.pump()
    outcome = world.outcome(run_id)
    assert outcome.status == "failed"
    assert outcome.reason == "Batch 1 failed: The frame 000002.jpg is damaged"
    assert "resubmit what is missing" in outcome.remedy
    assert world.described(run_id)["batches"] == {"planned": 3, "done": 2, "failed": ["00001"]}
    assert world.is_let_go(run_id)


def test_a_large_video_is_joined_by_a_task(world: World) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 4)
    small.pump()
    small.paint(run_id)
    small.pump(times=3)
    assert (small.status(run_id), sorted(small.tasks(run_id))) == ("joining", ["b00000", "b00001", "join"])
    finish_batch(world.app, message(run_id, "join"))  # the other limit: the function joins it now
    assert world.status(run_id) == "finished"


def test_a_join_task_that_failed_ends_the_run(world: World) -> None:
    small = world.changed(join_in_function_bytes=100)
    run_id = small.start("clip", 4)
    small.pump()
    small.paint(run_id)
    small.pump()
    write_failure(
        small.storage,
        Failure(run_id=run_id, step="join", reason="The disk is full", remedy="R", failed_at=now().isoformat()),
    )
    finish_batch(small.app, message(run_id, "join"))
    assert (small.status(run_id), small.outcome(run_id).reason) == ("failed", "The disk is full")


@pytest.mark.parametrize(
    "text", ["", "hello", "{}", '{"v": 1}', '{"v": 2, "run_id": "a-0123456789", "batch": 0}', "[" * 5000, "\\xff\\xfe"]
)
def test_a_message_that_is_not_ours_is_kept_once_and_not_tried_again(world: World, text: str) -> None:
    for _ in range(2):
        finish_batch(world.app, text)
        submit_batch(world.app, text)
    kept = [item.name for item in world.storage.logs.list("dead-letter/")]
    assert sorted(name.split("/")[1] for name in kept) == ["finished-batches", "frame-batches"]
    assert {world.storage.logs.need(name).data for name in kept} == {text.encode()}


def test_a_message_for_a_run_that_never_was_is_dropped(world: World) -> None:
    for step in (0, "look", "join"):
        finish_batch(world.app, message("never-was-0123456789", step))
    assert take(world.storage.finished_batches) == []


def test_receipts_of_an_earlier_run_of_the_same_name_do_not_count(world: World, run_id: str) -> None:
    world.paint(run_id)
    world.pump()
    again = world.start("clip")
    world.pump()
    paint(world.storage, again, 0)
    world.pump()
    assert world.described(again)["batches"]["done"] == 1
    assert world.status(again) == "scoring"
