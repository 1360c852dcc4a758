"""What a run was planned with is what it gets: receipts, sound, video and outcome are compared before they are used."""

import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from frame_tools.contracts.errors import ErrorCode, NextStep, TemporaryError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Outcome, ProductRecord, Receipt
from frame_tools.media.split import split
from frame_tools.storage.receipts import read_receipt
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.runs.advance import advance
from tests.support.clips import Clip, Tone, make_clip
from tests.support.fake_node import fail, forget_hashes, read_plan
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, frame, message


def pins(world: World, run_id: str) -> InputPins:
    plan = read_plan(world.storage, run_id)
    assert plan.inputs_sha256 is not None
    return InputPins.load_stored(world.storage.runs.need(RunPaths(run_id).inputs(plan.inputs_sha256)).data)


def undisturbed_video() -> bytes:
    world = InMemoryCloud().world()
    run_id = world.start("clip")
    assert world.finish(run_id) == "finished"
    return world.video(run_id)


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches that are scored, before the join."""
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, message=False)
    return run_id


def finish(world: World, run_id: str) -> str:
    """Let the host and the nodes act until the run has ended."""
    for _ in range(4):
        advance(world.app, run_id)
        for batch in range(3):
            if not world.storage.runs.exists(RunPaths(run_id).receipt(batch)):
                world.score(run_id, batch, message=False)
    return world.status(run_id)


# Pins.


def test_plan_pins_every_frame(world: World) -> None:
    run_id = world.start("clip")
    planned = pins(world, run_id)
    assert planned.digest == read_plan(world.storage, run_id).inputs_sha256
    assert len(set(planned.frames)) == 6
    assert all(pin.startswith("md5:") for pin in planned.frames)


def test_equal_uploads_have_equal_digests(world: World) -> None:
    first, again, other = (world.start(name) for name in ("one", "two", "three"))
    world.storage.input.write("three/frames/000003.jpg", frame(40))
    changed = world.fire_trigger(world.upload_trigger("three"))
    digests = [read_plan(world.storage, run).inputs_sha256 for run in (first, again, other, changed)]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_masks_and_sound_are_pinned(world: World, tmp_path: Path) -> None:
    upload_clip_with_sound(world, tmp_path)
    world.upload_files("clip", {f"masks/{number:06d}.png": b"mask %d" % number for number in range(1, 7)})
    planned = pins(world, world.fire_trigger(world.upload_trigger("clip", mask="masks")))
    assert (len(planned.frames), len(set(planned.masks)), planned.audio is not None) == (6, 6, True)


@pytest.mark.parametrize("damaged", [None, b"{"])
def test_pins_that_are_gone_are_made_again_on_resubmission(world: World, damaged: bytes | None) -> None:
    run_id = world.start("clip")
    name = RunPaths(run_id).inputs(str(read_plan(world.storage, run_id).inputs_sha256))
    world.storage.runs.delete(name)
    if damaged is not None:
        world.storage.runs.write(name, damaged)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    fail(world.storage, run_id, 1)
    fail(world.storage, run_id, 2)
    world.deliver_messages()
    resubmit(world.app, run_id, "missing")
    assert pins(world, run_id).digest == read_plan(world.storage, run_id).inputs_sha256
    assert finish(world, run_id) == "finished"


def _damage_pins(world: World, run_id: str) -> None:
    world.storage.runs.write(RunPaths(run_id).inputs(str(read_plan(world.storage, run_id).inputs_sha256)), b"{")


def test_pins_that_are_gone_at_the_join_are_made_again(world: World, tmp_path: Path) -> None:
    upload_clip_with_sound(world, tmp_path)
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    world.deliver_messages()
    plan = read_plan(world.storage, run_id)
    _damage_pins(world, run_id)
    world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"
    assert read_plan(world.storage, run_id) == plan


def test_replaced_input_is_not_pinned_in_place_of_lost_pins(world: World, tmp_path: Path) -> None:
    sound = upload_clip_with_sound(world, tmp_path)
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    world.deliver_messages()
    plan = read_plan(world.storage, run_id)
    _damage_pins(world, run_id)
    world.storage.input.write("clip/audio.mp4", sound[: len(sound) // 2])
    world.score(run_id)
    world.deliver_messages()
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.next_step) == ("failed", NextStep.RESUBMIT)
    resubmit(world.app, run_id, "missing")
    assert world.status(run_id) == "failed", "the sound is still another one"
    world.storage.input.write("clip/audio.mp4", sound)
    resubmit(world.app, run_id, "missing")
    assert world.status(run_id) == "finished"
    assert read_plan(world.storage, run_id) == plan


# Receipts.


def _of_another_batch(receipt: Receipt, other: Receipt) -> Receipt:
    return receipt.model_copy(update={"segment": other.segment, "frames": other.frames})


RECEIPTS: dict[str, Callable[[Receipt, Receipt], Receipt]] = {
    "segment of another batch": _of_another_batch,
    "another batch": lambda _receipt, other: other,
    "another run": lambda receipt, _other: receipt.model_copy(update={"run_id": "other-0123456789"}),
    "another plan": lambda receipt, _other: receipt.model_copy(update={"plan_sha256": "0" * 64}),
    "another span": lambda receipt, _other: receipt.model_copy(update={"start": 0, "end": 2}),
    "too few frames": lambda receipt, _other: receipt.model_copy(update={"frames": receipt.frames[:1]}),
    "frames of another run": lambda receipt, _other: receipt.model_copy(
        update={"frames": tuple(f.model_copy(update={"name": f"x/{f.name}"}) for f in receipt.frames)}
    ),
}


@pytest.mark.parametrize("change", RECEIPTS.values(), ids=RECEIPTS.keys())
def test_receipt_that_proves_something_else_is_set_aside(
    world: World, run_id: str, change: Callable[[Receipt, Receipt], Receipt]
) -> None:
    receipt, other = read_receipt(world.storage, run_id, 1), read_receipt(world.storage, run_id, 2)
    world.storage.runs.write(RunPaths(run_id).receipt(1), change(receipt, other).dumps())
    finish_batch(world.app, message(run_id, "advance"))
    assert not world.storage.runs.exists(RunPaths(run_id).receipt(1))
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == undisturbed_video()


def test_receipt_of_another_run_is_set_aside(world: World, run_id: str) -> None:
    other = world.start("clip2")
    world.deliver_messages()
    world.score(other, message=False)
    world.storage.runs.write(RunPaths(run_id).receipt(1), world.storage.runs.need(RunPaths(other).receipt(1)).data)
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == undisturbed_video()


def test_kept_receipt_is_compared_with_the_plan(world: World, run_id: str) -> None:
    assert finish(world, run_id) == "finished"
    child = resubmit(world.app, run_id, [1])
    plan = read_plan(world.storage, child)
    assert (set(plan.kept_receipts), plan.inputs_sha256) == ({0, 2}, read_plan(world.storage, run_id).inputs_sha256)
    kept = read_receipt(world.storage, child, 0)
    world.storage.runs.write(RunPaths(child).receipt(0), kept.model_copy(update={"task_id": "planted"}).dumps())
    world.deliver_messages()
    assert finish(world, child) == "finished"
    assert read_receipt(world.storage, child, 0).run_id == child
    assert world.video(child) == world.video(run_id)


def test_damaged_receipt_is_not_kept(world: World, run_id: str) -> None:
    assert finish(world, run_id) == "finished"
    receipt = read_receipt(world.storage, run_id, 2)
    world.storage.runs.write(RunPaths(run_id).receipt(2), receipt.model_copy(update={"batch": 1}).dumps())
    assert read_plan(world.storage, resubmit(world.app, run_id, [1])).redo == (1, 2)


# Sound.


def upload_clip_with_sound(world: World, folder: Path) -> bytes:
    """Upload frames with the manifest and the sound of a split video; return the sound."""
    video = make_clip(folder / "v.mp4", Clip(frames=6, size=(64, 48), audio=(Tone(seconds=1.0), Tone(seconds=1.0))))
    split(video, folder / "split")
    sound = (folder / "split" / "audio.mp4").read_bytes()
    world.upload_frames("clip", 6, manifest=False)
    world.upload_files("clip", {"manifest.json": (folder / "split/manifest.json").read_bytes(), "audio.mp4": sound})
    return sound


@pytest.mark.parametrize("change", ["half", "other", "garbage", "empty"])
def test_replaced_sound_is_refused_and_the_original_accepted(world: World, tmp_path: Path, change: str) -> None:
    sound = upload_clip_with_sound(world, tmp_path)
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    world.deliver_messages()
    changed = {"half": sound[: len(sound) // 2], "other": bytes(sound[:-1]) + b"x", "garbage": b"x" * 99, "empty": b""}
    world.storage.input.write("clip/audio.mp4", changed[change])
    world.score(run_id)
    world.deliver_messages()
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.code) == ("failed", ErrorCode.INPUT_CHANGED)
    assert outcome.next_step is NextStep.RESUBMIT
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))
    world.storage.input.write("clip/audio.mp4", sound)
    resubmit(world.app, run_id, "missing")
    world.deliver_messages()
    assert world.status(run_id) == "finished"


def test_incomplete_sound_is_refused(world: World, tmp_path: Path) -> None:
    """A sound that was incomplete when the run was planned is as planned, but not as the manifest says."""
    upload_clip_with_sound(world, tmp_path)
    short = make_clip(tmp_path / "w.mp4", Clip(frames=2, size=(64, 48), audio=(Tone(seconds=0.1), Tone(seconds=0.1))))
    split(short, tmp_path / "short")
    world.storage.input.write("clip/audio.mp4", (tmp_path / "short" / "audio.mp4").read_bytes())
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    assert world.finish(run_id) == "failed"
    manifest = Manifest.load_stored(world.storage.runs.need(RunPaths(run_id).manifest).data)
    assert str(manifest.audio[0].packets) in world.outcome(run_id).reason


def test_video_has_all_packets_of_the_sound(world: World, tmp_path: Path) -> None:
    upload_clip_with_sound(world, tmp_path)
    run_id = world.fire_trigger(world.upload_trigger("clip"))
    assert world.finish(run_id) == "finished"
    (tmp_path / "out.mp4").write_bytes(world.video(run_id))
    manifest = Manifest.load_stored(world.storage.runs.need(RunPaths(run_id).manifest).data)
    with av.open(str(tmp_path / "out.mp4")) as video:
        for stream, track in zip(video.streams.audio, manifest.audio, strict=True):
            assert stream.frames == track.packets


# Manifest.


def test_manifest_that_was_changed_is_not_used(world: World, run_id: str) -> None:
    name = RunPaths(run_id).manifest
    fields = json.loads(world.storage.runs.need(name).data)
    world.storage.runs.write(name, json.dumps(fields | {"time_base": "2/25"}).encode())
    world.deliver_messages()
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == undisturbed_video()


# Video and outcome.


def test_commit_is_recorded(world: World, run_id: str) -> None:
    assert finish(world, run_id) == "finished"
    record = ProductRecord.load_stored(world.storage.runs.need(RunPaths(run_id).product_record).data)
    stored = world.storage.output.info(RunPaths(run_id).video("mp4"))
    assert stored is not None
    assert (record.etag, record.size) == (stored.etag, stored.size)
    assert world.outcome(run_id).product_etag == stored.etag


@pytest.mark.parametrize("planted", [b"planted", b""])
def test_planted_video_is_replaced(world: World, run_id: str, planted: bytes) -> None:
    world.storage.output.write(RunPaths(run_id).video("mp4"), planted)
    with pytest.raises(TemporaryError):
        finish_batch(world.app, message(run_id, "advance"))
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == undisturbed_video()


def test_planted_video_of_the_same_size_is_replaced(world: World, run_id: str) -> None:
    expected = undisturbed_video()
    world.storage.output.write(RunPaths(run_id).video("mp4"), expected[:-1] + b"?")
    with pytest.raises(TemporaryError):
        finish_batch(world.app, message(run_id, "advance"))
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == expected


def test_planted_video_does_not_end_a_run_that_is_being_scored(world: World) -> None:
    run_id = world.start("clip")
    world.storage.output.write(RunPaths(run_id).video("mp4"), b"planted")
    world.deliver_messages()
    assert world.status(run_id) == "scoring"


def test_video_of_a_joiner_that_died_is_kept(world: World, run_id: str) -> None:
    """The process died between the commit and its record."""
    world.storage.output.write(RunPaths(run_id).video("mp4"), undisturbed_video())
    before = world.storage.output.info(RunPaths(run_id).video("mp4"))
    assert finish(world, run_id) == "finished"
    assert world.storage.output.info(RunPaths(run_id).video("mp4")) == before


def test_video_of_a_joiner_that_died_beats_a_later_cancellation(world: World, run_id: str) -> None:
    world.storage.output.write(RunPaths(run_id).video("mp4"), undisturbed_video())
    cancel(world.app, run_id)
    assert world.status(run_id) == "finished"


@pytest.mark.parametrize("etag", [None, '"0xPLANTED"'])
def test_planted_outcome_is_not_believed(world: World, etag: str | None) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0)
    outcome = Outcome(
        run_id=run_id,
        status="finished",
        reason="planted",
        name="clip",
        ended_at="2026-01-01T00:00:00+00:00",
        video=RunPaths(run_id).video("mp4"),
        product_etag=etag,
    )
    world.storage.runs.write(RunPaths(run_id).outcome, outcome.dumps())
    assert finish(world, run_id) == "finished"
    assert world.outcome(run_id).reason != "planted"
    assert world.video(run_id) == undisturbed_video()


def test_run_stays_finished_when_its_video_is_deleted(world: World, run_id: str) -> None:
    assert finish(world, run_id) == "finished"
    outcome = world.outcome(run_id)
    world.storage.output.delete(RunPaths(run_id).video("mp4"))
    advance(world.app, run_id)
    assert (world.status(run_id), world.outcome(run_id)) == ("finished", outcome)


def test_run_that_an_earlier_version_planned_goes_on(world: World) -> None:
    """Its plan has no pins, and its join may have recorded nothing."""
    run_id = world.start("clip")
    world.deliver_messages()
    fields = json.loads(world.storage.runs.need(RunPaths(run_id).plan).data)
    del fields["inputs_sha256"]
    world.storage.runs.write(RunPaths(run_id).plan, json.dumps(fields | {"version": 3}).encode())
    forget_hashes(world.storage, run_id)
    assert Plan.load_stored(world.storage.runs.need(RunPaths(run_id).plan).data).inputs_sha256 is None
    world.score(run_id, message=False)
    world.storage.output.write(RunPaths(run_id).video("mp4"), b"joined by an earlier version")
    assert finish(world, run_id) == "finished"
    assert world.video(run_id) == b"joined by an earlier version"
