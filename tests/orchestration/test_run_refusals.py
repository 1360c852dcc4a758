"""Every kind of bad trigger ends as a refused run, in words that name the thing and the remedy; nothing is raised."""

import json
from fractions import Fraction

import pytest

from frame_tools.contracts.manifest import AudioTrack, Manifest
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.start_run import start_run
from orchestration.planning import planner
from tests.support.world import SIZE, World, frame, painting


def assert_refused(world: World, run_id: str, *words: str) -> None:
    """The run's status and report say `refused` with all `words`; nothing of it is left behind."""
    outcome = world.outcome(run_id)
    said = f"{outcome.reason} | {outcome.remedy}"
    assert outcome.status == "refused", said
    assert [word for word in words if word not in said] == [], said
    assert outcome.remedy
    described = world.described(run_id)
    assert (described["status"], described["reason"]) == ("refused", outcome.reason)
    report = world.report(run_id)
    assert (report["status"], report["reason"], report["remedy"]) == ("refused", outcome.reason, outcome.remedy)
    assert world.is_let_go(run_id)
    assert world.storage.frame_batches.oldest() == []


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
    "rate words": (b'{"scorer": "copy", "rate": "fast"}', ["rate", "30000/1001"]),
    "rate by zero": (b'{"scorer": "copy", "rate": "25/0"}', ["rate"]),
    "rate with a vast exponent": (b'{"scorer": "copy", "rate": "1e999999999"}', ["rate"]),
    "batches of none": (b'{"scorer": "copy", "frames_per_batch": 0}', ["frames_per_batch"]),
    "video and frames": (b'{"scorer": "copy", "video": "a.mp4", "frames": "f"}', ["video", "frames"]),
    "version 2": (b'{"scorer": "copy", "version": 2}', ["version"]),
}


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_a_bad_trigger_file_is_refused_in_words(world: World, kind: str) -> None:
    body, words = BAD_BODIES[kind]
    world.put_frames("clip")
    assert_refused(world, world.fire(world.put_trigger("clip", body)), *words)


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


@pytest.mark.parametrize("blob", BAD_NAMES)
def test_a_bad_name_of_a_trigger_is_refused_in_words(world: World, blob: str) -> None:
    world.storage.triggers.write(blob, b'{"scorer": "copy"}')
    assert_refused(world, world.fire(blob), *BAD_NAMES[blob])


def test_a_trigger_without_frames_is_refused(world: World) -> None:
    assert_refused(world, world.fire(world.put_trigger("clip")), "no frames", "000001.jpg")


def test_a_gap_in_frames_with_manifest_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.delete("clip/frames/000004.jpg")
    assert_refused(world, world.fire(world.put_trigger("clip")), "000004.jpg", "put the trigger file again")


def test_a_gap_in_plain_frames_is_refused(world: World) -> None:
    world.put_frames("clip", manifest=False)
    world.storage.input.delete("clip/frames/000004.jpg")
    assert_refused(world, world.fire(world.put_trigger("clip", rate="25")), "000004.jpg")


def test_a_frame_without_bytes_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.write("clip/frames/000003.jpg", b"")
    assert_refused(world, world.fire(world.put_trigger("clip")), "000003.jpg", "no bytes")


def test_a_frame_more_than_the_manifest_knows_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.write("clip/frames/000099.jpg", frame(99))
    assert_refused(world, world.fire(world.put_trigger("clip")), "000099.jpg")


def test_plain_frames_without_a_rate_are_refused(world: World) -> None:
    world.put_frames("clip", manifest=False)
    assert_refused(world, world.fire(world.put_trigger("clip")), "rate", "30000/1001")


def test_a_first_frame_that_is_no_image_is_refused(world: World) -> None:
    world.put_frames("clip", manifest=False)
    world.storage.input.write("clip/frames/000001.jpg", b"<html>not found</html>")
    assert_refused(world, world.fire(world.put_trigger("clip", rate="25")), "000001.jpg")


def test_a_damaged_manifest_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.write("clip/manifest.json", b'{"version": 1, "source": ')
    assert_refused(world, world.fire(world.put_trigger("clip")), "manifest")


def test_sound_that_the_manifest_names_but_nobody_sent_is_refused(world: World) -> None:
    world.put_frames("clip", 2, manifest=False)
    track = AudioTrack(codec="aac", sample_rate=48_000, channels=1, start=Fraction(0), packets=3)
    described = Manifest.plain(2, 25, width=SIZE[0], height=SIZE[1]).model_copy(
        update={"audio_file": "audio.mp4", "audio": (track,)}
    )
    world.storage.input.write("clip/manifest.json", described.dumps())
    assert_refused(world, world.fire(world.put_trigger("clip")), "clip/audio.mp4", "Upload it")


def test_a_style_that_is_not_there_is_refused(world: World) -> None:
    world.put_frames("clip")
    assert_refused(world, world.fire(world.put_trigger("clip", scorer="any", style="sea.jpg")), "sea.jpg", "Upload it")


def test_a_style_that_is_no_image_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.write("clip/sea.jpg", b"%PDF-1.7 not a painting")
    assert_refused(world, world.fire(world.put_trigger("clip", scorer="any", style="sea.jpg")), "sea.jpg")


def test_a_style_with_too_many_bytes_or_pixels_is_refused(world: World) -> None:
    world.put_frames("clip")
    world.storage.input.write("clip/sea.png", painting())
    heavy = world.changed(max_style_bytes=10)
    assert_refused(heavy, heavy.fire(heavy.put_trigger("clip", scorer="any", style="sea.png")), "sea.png", "10 bytes")
    world.put_frames("small", 2, size=(16, 16))
    world.storage.input.write("small/sea.png", painting())
    wide = world.changed(max_frame_pixels=256)
    assert_refused(wide, wide.fire(wide.put_trigger("small", scorer="any", style="sea.png")), "sea.png", "40x30")


def test_too_many_frames_are_refused_with_the_limit(world: World) -> None:
    small = world.changed(max_frames=5)
    small.put_frames("clip")
    assert_refused(small, small.fire(small.put_trigger("clip")), "6", "MAX_FRAMES")


def test_frames_that_are_too_large_are_refused_with_the_limit(world: World) -> None:
    small = world.changed(max_frame_pixels=1000)
    small.put_frames("clip")
    assert_refused(small, small.fire(small.put_trigger("clip")), "64x48", "MAX_FRAME_PIXELS")


def test_too_many_batches_are_refused_with_the_remedy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "MAX_BATCHES", 2)
    world.put_frames("clip")
    assert_refused(world, world.fire(world.put_trigger("clip")), "3 batches", "frames_per_batch")


def test_a_refused_trigger_that_comes_again_changes_nothing(world: World) -> None:
    blob = world.put_trigger("clip", b"no JSON")
    run_id = world.fire(blob)
    before = world.storage.runs.need(RunPaths(run_id).outcome), world.report(run_id)
    assert world.fire(blob) == run_id
    assert (world.storage.runs.need(RunPaths(run_id).outcome), world.report(run_id)) == before


def test_a_mended_trigger_file_is_a_new_run(world: World) -> None:
    world.put_frames("clip", 2)
    refused = world.fire(world.put_trigger("clip", b"no JSON"))
    mended = world.fire(world.put_trigger("clip"))
    assert refused != mended
    assert (world.status(refused), world.finish(mended)) == ("refused", "finished")


def test_a_trigger_that_is_gone_again_starts_nothing(world: World) -> None:
    assert start_run(world.app, "gone.json") is None
    assert list(world.storage.runs.list("")) == []


def test_the_report_of_a_refusal_is_json_in_plain_letters(world: World) -> None:
    world.storage.triggers.write("größe?.json", b"{}")
    run_id = world.fire("größe?.json")
    data = world.storage.output.need(RunPaths(run_id).report).data
    assert "größe" in data.decode()
    assert json.loads(data)["name"] == "größe?"
