"""The blob trigger: valid trigger files start one run, invalid ones become refused runs."""

import pytest

from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.start_run import start_run
from tests.support.fake_node import read_plan
from tests.support.world import World, in_parallel

BAD_BODIES = {
    "no JSON": (b"input: clip", ["not JSON"]),
    "empty": (b"", ["not JSON"]),
    "no object": (b"[1, 2]", ["object"]),
    "no UTF-8": (b'{"style": "\xff\xfe"}', ["trigger file"]),
    "too deep": (b"[" * 60_000, ["trigger file"]),
    "too big": (b'{"style": "' + b"a" * 70_000 + b'"}', ["65536", "bytes"]),
    "misspelt word": (b'{"scorer": "copy", "frames_per_batsh": 3}', ["frames_per_batsh", "frames_per_batch"]),
    "unknown word": (b'{"scorer": "copy", "command": "rm"}', ["command", "strength"]),
    "unknown scorer": (b'{"scorer": "../evil"}', ["../evil", "copy"]),
    "no style for a painting scorer": (b'{"scorer": "any"}', ["style", "any"]),
    "style is a path": (b'{"style": "../other/style.jpg"}', ["style", "../other/style.jpg"]),
    "input is a path": (b'{"scorer": "copy", "input": "a/b"}', ["input", "a/b"]),
    "quotes in a name": (b'{"scorer": "copy", "frames": "a\\"b"}', ["frames"]),
    "leading dash": (b'{"scorer": "copy", "video": "-i.mp4"}', ["video", "-i.mp4"]),
    "strength over 1": (b'{"scorer": "copy", "strength": 1.5}', ["strength"]),
    "strength no number": (b'{"scorer": "copy", "strength": NaN}', ["strength"]),
    "rate zero": (b'{"scorer": "copy", "rate": "0/1"}', ["rate"]),
    "rate no number": (b'{"scorer": "copy", "rate": "fast"}', ["rate", "30000/1001"]),
    "rate by zero": (b'{"scorer": "copy", "rate": "25/0"}', ["rate"]),
    "rate with a vast exponent": (b'{"scorer": "copy", "rate": "1e999999999"}', ["rate"]),
    "batches of none": (b'{"scorer": "copy", "frames_per_batch": 0}', ["frames_per_batch"]),
    "video and frames": (b'{"scorer": "copy", "video": "a.mp4", "frames": "f"}', ["video", "frames"]),
    "version 2": (b'{"scorer": "copy", "version": 2}', ["version"]),
}
BAD_NAMES = {
    "folder/clip.json": ["'/'"],
    "..clip.json": ["'..'"],
    "it's.json": ['"\'"'],
    'say "hi".json': ["'\"'"],
    "-rf.json": ["'-'"],
    "x" * 300 + ".json": ["300", "100"],
    ".json": ["empty"],
    "clip.txt": ["clip.txt", ".json"],
    "$(reboot).json": ["'$'"],
    "a;b.json": ["';'"],
}


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_invalid_trigger_content_is_refused(world: World, kind: str) -> None:
    body, fragments = BAD_BODIES[kind]
    world.upload_frames("clip")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip", body)), *fragments)


@pytest.mark.parametrize("blob", BAD_NAMES)
def test_invalid_trigger_name_is_refused(world: World, blob: str) -> None:
    world.storage.triggers.write(blob, b'{"scorer": "copy"}')
    world.assert_refused(world.fire_trigger(blob), *BAD_NAMES[blob])


def test_redelivered_refused_trigger_has_no_effect(world: World) -> None:
    blob = world.upload_trigger("clip", b"no JSON")
    run_id = world.fire_trigger(blob)
    before = world.storage.runs.need(RunPaths(run_id).outcome), world.report(run_id)
    assert world.fire_trigger(blob) == run_id
    assert (world.storage.runs.need(RunPaths(run_id).outcome), world.report(run_id)) == before


def test_corrected_trigger_is_a_new_run(world: World) -> None:
    world.upload_frames("clip", 2)
    refused = world.fire_trigger(world.upload_trigger("clip", b"no JSON"))
    corrected = world.fire_trigger(world.upload_trigger("clip"))
    assert refused != corrected
    assert (world.status(refused), world.finish(corrected)) == ("refused", "finished")


def test_deleted_trigger_starts_nothing(world: World) -> None:
    assert start_run(world.app, "gone.json") is None
    assert list(world.storage.runs.list("")) == []


def test_run_from_trigger_to_video(world: World) -> None:
    run_id = world.start("My clip")
    assert run_id.startswith("my-clip-")
    plan = read_plan(world.storage, run_id)
    assert (plan.borders, plan.name, plan.correlation_id) == ((0, 2, 4, 6), "My clip", run_id)
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 6
    assert world.status_document(run_id)["video"] == f"output/{run_id}/video.mp4"
    assert world.is_released(run_id)


def test_run_with_one_frame(world: World) -> None:
    run_id = world.start("photo", 1)
    assert read_plan(world.storage, run_id).borders == (0, 1)
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 1


def test_remaining_frames_are_not_lost(world: World) -> None:
    run_id = world.start("clip", 7, frames_per_batch=3)
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 7


def test_concurrent_deliveries_start_one_run(world: World) -> None:
    world.upload_frames("clip")
    blob = world.upload_trigger("clip")
    ids = set(in_parallel([lambda: world.fire_trigger(blob)] * 5))
    assert len(ids) == 1
    (run_id,) = ids
    world.deliver_messages(times=2)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]
    assert {blob for blob in world.runs_blobs(run_id) if blob.startswith("jobs/")} == {"jobs/000"}
    assert len(list(world.storage.runs.list("slots/"))) == 1, "the run holds one slot, not one per delivery"
    world.score(run_id)
    world.deliver_messages(times=3)
    assert world.status(run_id) == "finished"


def test_redelivered_trigger_of_finished_run_has_no_effect(world: World) -> None:
    world.upload_frames("clip", 2)
    blob = world.upload_trigger("clip")
    run_id = world.fire_trigger(blob)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.video(run_id), world.outcome(run_id)
    assert world.fire_trigger(blob) == run_id
    assert (world.runs_blobs(run_id), world.video(run_id), world.outcome(run_id)) == before
    assert world.is_released(run_id)


def test_trigger_uploaded_again_is_a_new_run(world: World) -> None:
    first = world.start("clip", 2)
    world.finish(first)
    old = world.video(first)
    second = world.start("clip", 3)
    assert second != first
    assert world.finish(second) == "finished"
    assert (world.frame_count(first), world.frame_count(second)) == (2, 3)
    assert world.video(first) == old


def test_concurrent_runs_are_independent(world: World) -> None:
    first, second = world.start("clip", 4), world.start("clip2", 6)
    world.deliver_messages()
    world.score(first)
    world.deliver_messages()
    assert (world.status(first), world.status(second)) == ("finished", "scoring")
    world.score(second)
    world.deliver_messages()
    assert (world.frame_count(first), world.frame_count(second)) == (4, 6)
