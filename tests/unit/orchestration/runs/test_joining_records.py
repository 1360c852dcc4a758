"""Joining of records: once, in frame order, from parts that match their receipts."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from frame_tools.assembly import assemble_output
from frame_tools.contracts.errors import DamagedError, ErrorCode
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.receipts import read_receipt
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from tests.support.crash import SimulatedCrash, crash_after
from tests.support.fake_node import read_plan, score
from tests.support.world import World, message


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches that makes records; their tasks have been created."""
    run_id = world.start("clip", scorer="describe")
    world.deliver_messages()
    return run_id


def records(world: World, run_id: str) -> list[int]:
    """Return the frame numbers of the records in `output`, in their order."""
    data = world.storage.output.need(RunPaths(run_id).records).data
    assert data.endswith(b"\n")
    return [json.loads(line)["frame"] for line in data.splitlines()]


def has_records(world: World, run_id: str) -> bool:
    return world.storage.output.exists(RunPaths(run_id).records)


def test_records_are_in_frame_order(world: World, run_id: str) -> None:
    for batch in (2, 0, 1):
        world.score(run_id, batch)
        world.deliver_messages()
    assert world.status(run_id) == "finished"
    assert records(world, run_id) == [0, 1, 2, 3, 4, 5]
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    assert world.is_released(run_id)


def test_status_outcome_and_report_name_records(world: World, run_id: str) -> None:
    assert world.status_document(run_id)["records"] is None
    world.finish(run_id)
    shown, report, outcome = world.status_document(run_id), world.report(run_id), world.outcome(run_id)
    assert (shown["video"], shown["records"]) == (None, f"output/{run_id}/records.jsonl")
    assert (outcome.video, outcome.records) == (None, f"{run_id}/records.jsonl")
    assert (report.get("video"), report["records"]) == (None, f"{run_id}/records.jsonl")
    assert (report["plan"]["makes"], report["scoring"]["frames"]) == ("records", 6)


@pytest.mark.parametrize("damage", ["gone", "changed", "shorter", "empty"])
def test_damaged_part_is_scored_again(world: World, run_id: str, damage: str) -> None:
    world.score(run_id)
    part = RunPaths(run_id).records_part(1)
    data = world.storage.work.need(part).data
    if damage == "gone":
        world.storage.work.delete(part)
    else:
        other = {"changed": data.replace(b"2", b"7"), "shorter": data[:-3], "empty": b""}[damage]
        world.storage.work.write(part, other)
    world.deliver_messages()
    assert (world.status(run_id), has_records(world, run_id)) == ("scoring", False)
    assert not world.storage.runs.exists(RunPaths(run_id).receipt(1))
    assert any(blob.startswith("damaged/00001-") for blob in world.runs_blobs(run_id))
    score(world.storage, run_id, 1, attempt=2)
    world.deliver_messages()
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])


@pytest.mark.parametrize("lines", [b'{"frame": 2}\n', b'{"frame": 2}\n{"frame": 3}', b"\n" * 3])
def test_part_with_wrong_record_count_fails_run(world: World, run_id: str, lines: bytes) -> None:
    world.score(run_id, message=False)
    receipt = read_receipt(world.storage, run_id, 1)
    assert receipt.records is not None
    etag = world.storage.work.write(receipt.records.name, lines)
    stored = receipt.records.model_copy(update={"size": len(lines), "sha256": sha256_of(lines), "etag": etag})
    lying = receipt.model_copy(update={"records": stored})
    world.storage.runs.write(RunPaths(run_id).receipt(1), lying.dumps())
    with pytest.raises(DamagedError):
        assemble_output(world.storage, run_id)
    finish_batch(world.app, message(run_id, "advance"))
    assert (world.status(run_id), has_records(world, run_id)) == ("failed", False)
    assert world.outcome(run_id).code == ErrorCode.DAMAGED_DATA


def test_cancel_during_join_leaves_no_records(world: World, run_id: str) -> None:
    world.score(run_id, message=False)

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if name == RunPaths(run_id).records_part(2):
            world.storage.runs.create(RunPaths(run_id).cancelled, b"")  # the outcome is not written yet
        return original(name, **options)

    assemble_output(world.intercepted("work", read=read).storage, run_id)
    assert not has_records(world, run_id)
    sweep(world.app)
    assert (world.status(run_id), has_records(world, run_id)) == ("cancelled", False)


def test_records_committed_after_the_end_are_deleted(world: World, run_id: str) -> None:
    world.score(run_id, message=False)

    def exists(original: Callable[[str], bool], name: str) -> bool:
        found = original(name)
        if name == RunPaths(run_id).cancelled and not found:
            cancel(world.app, run_id)  # between the joiner's last check and its commit
        return found

    assemble_output(world.intercepted("runs", exists=exists).storage, run_id)
    assert (world.status(run_id), has_records(world, run_id)) == ("cancelled", False)


def test_held_lease_is_respected(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    with world.storage.runs.lease(RunPaths(run_id).join_lease) as held:
        assert held is not None
        assert assemble_output(world.storage, run_id) is None
        assert not has_records(world, run_id)
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).records
    assert assemble_output(world.storage, run_id) == RunPaths(run_id).records, "repetition has no effect"


def test_crash_at_any_write_still_finishes_run(world: World, run_id: str) -> None:
    world.score(run_id, message=False)
    for writes in range(40):
        try:
            finish_batch(crash_after(world.app, writes), message(run_id, "advance"))
        except SimulatedCrash:
            continue
        break
    else:
        pytest.fail("the run needs more than 40 writes")
    assert writes >= 3
    sweep(world.app)
    assert (world.status(run_id), records(world, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])
    assert world.is_released(run_id)


def test_large_records_are_joined_by_a_task(world: World) -> None:
    small = world.changed(join_in_function_bytes=10)
    run_id = small.start("clip", scorer="describe")
    small.finish(run_id)
    assert small.status(run_id) == "joining"
    assert "join" in small.tasks(run_id)
    assert assemble_output(small.storage, run_id) == RunPaths(run_id).records
    finish_batch(small.app, message(run_id, "join"))
    assert (small.status(run_id), records(small, run_id)) == ("finished", [0, 1, 2, 3, 4, 5])


def test_rerun_reuses_other_records(world: World, run_id: str) -> None:
    world.finish(run_id)
    new = resubmit(world.app, run_id, [1])
    world.deliver_messages()
    assert list(world.tasks(new)) == ["b00001"]
    world.score(new, 1)
    world.deliver_messages()
    assert (world.status(new), records(world, new)) == ("finished", [0, 1, 2, 3, 4, 5])
    first = Plan.model_validate(read_plan(world.storage, run_id))
    assert read_plan(world.storage, new).borders == first.borders
