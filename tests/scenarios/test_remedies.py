"""Every remedy works: followed literally, it leads to a finished video."""

from pathlib import Path

import pytest

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from orchestration.delays import read_delay
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.state import RunState, read_state, read_task_error, write_failure
from tests.support.clips import Clip, Tone, make_clip
from tests.support.fake_node import read_plan
from tests.support.in_memory_host import InMemoryHost
from tests.support.memory_world import InMemoryCloud
from tests.support.remedy_cases import REMEDIES, Kind, split_frame_is_damaged, start
from tests.support.world import World


@pytest.fixture
def host(cloud: InMemoryCloud, world: World) -> InMemoryHost:
    return InMemoryHost(cloud, world)


def kind_of_outcome(host: InMemoryHost, run_id: str) -> tuple[ErrorCode | None, NextStep | None]:
    outcome = host.world.outcome(run_id)
    return outcome.code, outcome.next_step


def kinds_of_failures(host: InMemoryHost, run_id: str) -> set[tuple[ErrorCode | None, NextStep | None]]:
    state = read_state(host.world.storage, run_id)
    assert isinstance(state, RunState)
    return {(failure.code, failure.next_step) for failure in state.failures.values()}


def follow(host: InMemoryHost, run_id: str) -> str:
    """Do what the status says; return the id of the run that goes on."""
    document = host.world.status_document(run_id)
    match document["next_step"]:
        case NextStep.START_NEW_RUN:
            return host.world.fire_trigger(host.world.upload_trigger(run_id.rsplit("-", 1)[0]))
        case NextStep.RESUBMIT:
            assert "resubmit" in document["remedy"].casefold()
            return resubmit(host.app, run_id, "missing")
        case NextStep.ASK_OPERATOR:
            return resubmit(host.app, run_id, "missing")
        case None:
            assert document["status"] not in ("failed", "refused"), "an ended run says what to do"
            return run_id
        case other:
            pytest.fail(f"an ended run cannot go on by {other}")


@pytest.mark.parametrize("kind", REMEDIES, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def test_followed_remedy_leads_to_a_video(host: InMemoryHost, kind: Kind) -> None:
    case = REMEDIES[kind]
    run_id = case.cause(host)
    if case.reported_in == "outcome":
        assert kind_of_outcome(host, run_id) == kind
    elif case.reported_in == "failure":
        assert kind in kinds_of_failures(host, run_id)
    else:
        assert host.outcome(run_id) is None
    case.fix(host, run_id)
    following = follow(host, run_id)
    host.world.clock.advance(hours=1)
    assert host.play_until_end(following).status == "finished"
    assert host.world.frame_count(following) == 4


@pytest.mark.parametrize(
    "kind",
    [
        (ErrorCode.TASK_NOT_CREATED, NextStep.RETRY_LATER),
        (ErrorCode.RUN_NOT_COMPLETED, NextStep.RETRY_LATER),
        (ErrorCode.TEMPORARY_FAILURE, NextStep.ASK_OPERATOR),
    ],
    ids=str,
)
def test_delay_has_its_kind(host: InMemoryHost, kind: Kind) -> None:
    delay = read_delay(host.world.storage, REMEDIES[kind].cause(host))
    assert delay is not None
    assert (delay.code, delay.next_step) == kind


def test_passing_error_of_a_task_has_its_kind(host: InMemoryHost) -> None:
    kind = (ErrorCode.TEMPORARY_FAILURE, NextStep.RETRY_LATER)
    error = read_task_error(host.world.storage, REMEDIES[kind].cause(host), "00001")
    assert error is not None
    assert (error.code, error.next_step) == kind


# What the lifecycle rule of `work` deletes, or a person.


def split_run(host: InMemoryHost) -> str:
    return host.world.fire_trigger(host.world.upload_video())


def indexed_run(host: InMemoryHost, folder: Path) -> str:
    """Start a run that was given a video only, and have a task make its index."""
    clip = Clip(frames=60, audio=(Tone(seconds=2),))
    host.world.storage.input.write("video/video.mp4", make_clip(folder / "video.mp4", clip).read_bytes())
    run_id = host.world.fire_trigger(host.world.upload_trigger("video", video="video.mp4", frames_per_batch=20))
    host.deliver()
    host.execute_tasks()
    host.deliver()
    return run_id


def empty_work(host: InMemoryHost, run_id: str) -> None:
    for item in list(host.world.storage.work.list(f"{run_id}/")):
        host.world.storage.work.delete(item.name)


def test_split_frames_that_are_gone_are_split_again(host: InMemoryHost) -> None:
    run_id = split_run(host)
    host.deliver()
    host.execute_tasks()
    host.deliver()
    empty_work(host, run_id)
    assert host.play_until_end(run_id).status == "finished"
    assert host.world.frame_count(run_id) == 4


def test_sound_of_an_indexed_video_that_is_gone_is_read_again(host: InMemoryHost, tmp_path: Path) -> None:
    run_id = indexed_run(host, tmp_path)
    assert [item.name for item in host.world.storage.work.list(f"{run_id}/")] == [f"{run_id}/split/audio.mp4"]
    empty_work(host, run_id)
    assert host.play_until_end(run_id).next_step is NextStep.RESUBMIT
    assert follow(host, run_id) == run_id
    assert host.play_until_end(run_id, rounds=12).status == "finished"
    assert host.world.frame_count(run_id) == 60


def test_indexed_video_that_is_cancelled_goes_on_with_its_index(host: InMemoryHost, tmp_path: Path) -> None:
    run_id = indexed_run(host, tmp_path)
    cancel(host.app, run_id)
    assert host.play_until_end(run_id).status == "cancelled"
    resubmit(host.app, run_id, "missing")
    assert host.play_until_end(run_id, rounds=12).status == "finished"
    assert len([task for _, task in host.cloud.jobs.specs if task.startswith("split")]) == 1


def test_resubmission_long_after_the_end_splits_again(host: InMemoryHost) -> None:
    run_id = split_frame_is_damaged(host)
    empty_work(host, run_id)
    assert resubmit(host.app, run_id, "missing") == run_id
    assert host.play_until_end(run_id, rounds=12).status == "finished"


def test_changed_sound_of_a_split_video_is_split_again(host: InMemoryHost) -> None:
    run_id = split_run(host)
    host.deliver()
    host.execute_tasks()
    host.deliver()
    changed = Failure(
        run_id=run_id,
        step="join",
        reason="The sound was replaced",
        remedy="Resubmit what is missing",
        code=ErrorCode.INPUT_CHANGED,
        next_step=NextStep.RESUBMIT,
        failed_at="",
    )
    write_failure(host.world.storage, changed)
    assert host.play_until_end(run_id).code is ErrorCode.INPUT_CHANGED
    resubmit(host.app, run_id, "missing")
    assert host.play_until_end(run_id, rounds=12).status == "finished"
    splits = [task for _, task in host.cloud.jobs.specs if task.startswith("split")]
    assert len(splits) == 2


def test_split_video_that_is_gone_is_named(host: InMemoryHost) -> None:
    run_id = split_frame_is_damaged(host)
    empty_work(host, run_id)
    host.world.storage.input.delete("video/video.mp4")
    resubmit(host.app, run_id, "missing")
    outcome = host.play_until_end(run_id)
    assert (outcome.status, outcome.next_step) == ("refused", NextStep.START_NEW_RUN)
    assert "video/video.mp4" in outcome.reason
    assert host.play_until_end(split_run(host)).status == "finished"


@pytest.mark.parametrize("which", ["all", [1]])
def test_child_of_a_cleaned_up_split_run_splits_itself(host: InMemoryHost, which) -> None:
    run_id = split_run(host)
    assert host.play_until_end(run_id).status == "finished"
    empty_work(host, run_id)
    child = resubmit(host.app, run_id, which)
    assert host.play_until_end(child, rounds=12).status == "finished"
    assert host.world.frame_count(child) == 4
    assert read_plan(host.world.storage, child).frames.name.startswith(child)


@pytest.mark.parametrize("document", ["plan.json", "manifest.json"])
def test_child_of_a_parent_without_plan_says_start_a_new_run(host: InMemoryHost, document: str) -> None:
    run_id = start(host)
    assert host.play_until_end(run_id).status == "finished"
    narrow = host.world.changed(max_open_runs=0)
    child = resubmit(narrow.app, run_id, [0])
    host.world.storage.runs.delete(f"{run_id}/{document}")
    outcome = host.play_until_end(child)
    assert (outcome.status, outcome.next_step) == ("failed", NextStep.START_NEW_RUN)
    new_run = host.world.fire_trigger(host.world.upload_trigger("clip"))
    assert host.play_until_end(new_run).status == "finished"


@pytest.mark.parametrize("damage", [None, b"", b"{"])
def test_child_scores_batches_whose_receipts_are_gone(host: InMemoryHost, damage: bytes | None) -> None:
    run_id = start(host)
    assert host.play_until_end(run_id).status == "finished"
    child = resubmit(host.world.changed(max_open_runs=0).app, run_id, [0])
    if damage is None:
        host.world.storage.runs.delete(RunPaths(run_id).receipt(1))
    else:
        host.world.storage.runs.write(RunPaths(run_id).receipt(1), damage)
    assert host.play_until_end(child).status == "finished"
    assert read_plan(host.world.storage, child).redo == (0, 1)


def test_child_scores_batches_whose_segments_are_gone(host: InMemoryHost) -> None:
    run_id = start(host)
    assert host.play_until_end(run_id).status == "finished"
    empty_work(host, run_id)
    child = resubmit(host.app, run_id, [0])
    assert host.play_until_end(child, rounds=12).status == "finished"
    assert host.world.frame_count(child) == 4


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff"])
def test_damaged_receipt_found_by_the_join_is_scored_again(host: InMemoryHost, damage: bytes) -> None:
    run_id = start(host)
    host.deliver()
    host.execute_tasks()
    host.world.storage.runs.write(RunPaths(run_id).receipt(0), damage)
    assert host.play_until_end(run_id).status == "finished"
    assert host.world.frame_count(run_id) == 4


@pytest.mark.parametrize("damage", [None, b"{", b"{}"])
def test_damaged_manifest_is_made_again(host: InMemoryHost, damage: bytes | None) -> None:
    run_id = start(host)
    name = RunPaths(run_id).manifest
    original = host.world.storage.runs.need(name).data
    host.deliver()
    if damage is None:
        host.world.storage.runs.delete(name)
    else:
        host.world.storage.runs.write(name, damage)
    assert host.play_until_end(run_id, rounds=12).status == "finished"
    assert host.world.storage.runs.need(name).data == original


def test_full_disk_is_reported_as_such(host: InMemoryHost) -> None:
    run_id = REMEDIES[ErrorCode.DISK_FULL, NextStep.RETRY_LATER].cause(host)
    outcome = host.world.outcome(run_id)
    assert (outcome.code, "disk is full" in outcome.reason) == (ErrorCode.DISK_FULL, True)
