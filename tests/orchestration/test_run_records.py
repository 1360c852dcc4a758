"""A run that makes records: gathered once, in frame order, from parts that are what their receipts say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from frame_tools.assembly import assemble_output, read_receipt
from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import Container, sha256_of
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from tests.support.crash import Killed, fused
from tests.support.fake_node import paint, read_plan
from tests.support.world import World, in_parallel, message


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches that makes records; their tasks have been placed."""
    run_id = world.start("clip", scorer="look")
    world.pump()
    return run_id


def records(world: World, run_id: str) -> list[int]:
    """Return the frames of the records in `output`, in their order."""
    data = world.storage.output.need(RunPaths(run_id).records).data
    assert data.endswith(b"\n")
    return [json.loads(line)["frame"] for line in data.splitlines()]


def there(world: World, run_id: str) -> bool:
    return world.storage.output.exists(RunPaths(run_id).records)


def test_records_come_in_frame_order_whatever_the_order_of_the_batches(world: World, run_id: str) -> None:
    for batch in (2, 0, 1):
        world.paint(run_id, batch)
        world.pump()
    assert world.status(run_id) == "finished"
    assert records(world, run_id) == [0, 1, 2, 3, 4, 5]
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    assert world.is_let_go(run_id)


def test_status_outcome_and_report_name_the_records_and_no_video(world: World, run_id: str) -> None:
    assert world.described(run_id)["records"] is None
    world.finish(run_id)
    shown, report, outcome = world.described(run_id), world.report(run_id), world.outcome(run_id)
    assert (shown["video"], shown["records"]) == (None, f"output/{run_id}/records.jsonl")
    assert (outcome.video, outcome.records) == (None, f"{run_id}/records.jsonl")
    assert outcome.reason == "The records are complete"
    assert (report.get("video"), report["records"]) == (None, f"{run_id}/records.jsonl")
    assert (report["plan"]["makes"], report["scoring"]["frames"]) == ("records", 6)


def test_eight_last_messages_at_once_make_one_file(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    in_parallel([lambda: finish_batch(world.app, message(run_id, 2))] * 8)
    world.pump()
    finish_batch(world.app, message(run_id, "look"))
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])
    blocks = world.storage.output._client.get_blob_client(RunPaths(run_id).records).get_block_list("all")
    assert blocks[1] == [], "nobody has left blocks of a second file behind"


@pytest.mark.parametrize("damage", ["gone", "changed", "shorter", "empty"])
def test_a_damaged_part_is_set_aside_and_scored_again(world: World, run_id: str, damage: str) -> None:
    world.paint(run_id)
    part = RunPaths(run_id).records_part(1)
    data = world.storage.work.need(part).data
    if damage == "gone":
        world.storage.work.delete(part)
    else:
        other = {"changed": data.replace(b"2", b"7"), "shorter": data[:-3], "empty": b""}[damage]
        world.storage.work.write(part, other)
    world.pump()
    assert (world.status(run_id), there(world, run_id)) == ("scoring", False)
    assert not world.storage.runs.exists(RunPaths(run_id).receipt(1))
    assert any(blob.startswith("damaged/00001-") for blob in world.runs_blobs(run_id))
    paint(world.storage, run_id, 1, attempt=2)
    world.pump()
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("lines", [b'{"frame": 2}\n', b'{"frame": 2}\n{"frame": 3}', b"\n" * 3])
def test_a_part_with_another_number_of_records_than_frames_fails_in_words(
    world: World, run_id: str, lines: bytes
) -> None:
    world.paint(run_id, message=False)
    receipt = read_receipt(world.storage, run_id, 1)
    assert receipt.records is not None
    etag = world.storage.work.write(receipt.records.name, lines)
    stored = receipt.records.model_copy(update={"size": len(lines), "sha256": sha256_of(lines), "etag": etag})
    lying = receipt.model_copy(update={"records": stored})
    world.storage.runs.write(RunPaths(run_id).receipt(1), lying.dumps())
    with pytest.raises(DamagedError, match="for 2 frames"):
        assemble_output(world.storage, run_id)
    finish_batch(world.app, message(run_id, "look"))
    assert (world.status(run_id), there(world, run_id)) == ("failed", False)
    assert "records for 2 frames" in world.outcome(run_id).reason


class CancelledWhileRead(Container):
    """The container `work`, out of which the last part is read just after a person has cancelled the run."""

    world: World
    run_id: str

    def read(self, name: str, **options: Any) -> Any:
        if name == RunPaths(self.run_id).records_part(2):
            self.world.storage.runs.create(RunPaths(self.run_id).cancelled, b"")  # the ending is still to come
        return super().read(name, **options)


def test_a_run_cancelled_while_it_is_gathered_gets_no_records(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    work = CancelledWhileRead(world.storage.work._client)
    work.world, work.run_id = world, run_id
    assemble_output(replace(world.storage, work=work), run_id)
    assert not there(world, run_id)
    sweep(world.app)
    assert (world.status(run_id), there(world, run_id)) == ("cancelled", False)


class EndsBeforeCommit(Container):
    """The container `runs`, in which the run ends between the gatherer's last look and its commit."""

    world: World
    run_id: str

    def exists(self, name: str) -> bool:
        found = super().exists(name)
        if name == RunPaths(self.run_id).cancelled and not found:
            cancel(self.world.app, self.run_id)
        return found


def test_records_committed_after_the_end_are_taken_away(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    runs = EndsBeforeCommit(world.storage.runs._client)
    runs.world, runs.run_id = world, run_id
    assemble_output(replace(world.storage, runs=runs), run_id)
    assert (world.status(run_id), there(world, run_id)) == ("cancelled", False)


def test_one_who_finds_the_lease_held_leaves_it_to_the_holder(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    with world.storage.runs.lease(RunPaths(run_id).join_lease) as held:
        assert held is not None
        assert assemble_output(world.storage, run_id) is None
        assert not there(world, run_id)
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).records
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).records, "once more changes nothing"


def test_a_process_that_dies_at_any_write_leaves_a_run_that_still_ends(world: World, run_id: str) -> None:
    world.paint(run_id, message=False)
    for writes in range(40):
        try:
            finish_batch(fused(world.app, writes), message(run_id, "look"))
        except Killed:
            continue
        break
    else:
        pytest.fail("the run needs more than 40 writes")
    assert writes >= 3
    sweep(world.app)
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])
    assert world.is_let_go(run_id)


def test_large_records_are_gathered_by_a_task(world: World) -> None:
    small = world.changed(join_in_function_bytes=10)
    run_id = small.start("clip", scorer="look")
    small.finish(run_id)
    assert small.status(run_id) == "joining"
    assert "join" in small.tasks(run_id)
    assert assemble_output(small.storage, run_id) == RunPaths(run_id).records
    finish_batch(small.app, message(run_id, "join"))
    assert (small.status(run_id), records(small, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])


def test_a_batch_that_is_redone_takes_the_other_records_over(world: World, run_id: str) -> None:
    world.finish(run_id)
    new = resubmit(world.app, run_id, [1])
    world.pump()
    assert list(world.tasks(new)) == ["b00001"]
    world.paint(new, 1)
    world.pump()
    assert (world.status(new), records(world, new)) == ("finished", [0, 1, 2, 3, 4, 5])
    first = Plan.model_validate(read_plan(world.storage, run_id))
    assert read_plan(world.storage, new).borders == first.borders
