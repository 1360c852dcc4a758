"""The planner: plans of valid input, refusals of invalid input."""

import itertools
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import AudioTrack
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import BlobInfo
from orchestration.planning import planner
from orchestration.planning.limits import MAX_AUDIO_PACKETS
from orchestration.planning.planned_options import planned_options
from orchestration.planning.uploaded_frames import list_frames
from orchestration.state import RunState, read_state
from tests.support.clips import draw
from tests.support.fake_node import SIZE, read_manifest, read_plan, split
from tests.support.hostile_images import tiff_with_directory_last, webp_header
from tests.support.image_kinds import encode_as
from tests.support.world import World, frame, painting


def test_listing_excludes_other_folders(world: World) -> None:
    for name in ("frames/1.jpg", "frames2/2.jpg", "frames/deep/3.jpg", "frames.jpg", "frames/", "other/frames/9.jpg"):
        world.storage.input.write(f"clip/{name}", b"x")
    listed = {name for name in list_frames(world.storage, "clip/frames/", 100) if name}
    assert listed == {"1.jpg"}


def test_listing_stops_after_too_many_blobs(world: World) -> None:
    def endless(_: Callable[..., Any], prefix: str) -> Iterator[BlobInfo]:
        for number in itertools.count(1):
            yield BlobInfo(name=f"{prefix}{number}.jpg", size=1, etag="", created=None, md5=None)

    with pytest.raises(InputError, match="more than 50 frames"):
        list_frames(world.intercepted("input", list=endless).storage, "clip/frames/", 50)


def test_run_without_frames_is_refused(world: World) -> None:
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "no frames", "000001.jpg")


def test_missing_frame_of_manifest_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.delete("clip/frames/000004.jpg")
    world.assert_refused(
        world.fire_trigger(world.upload_trigger("clip")), "000004.jpg", "upload the trigger file again"
    )


def test_missing_frame_without_manifest_is_refused(world: World) -> None:
    world.upload_frames("clip", manifest=False)
    world.storage.input.delete("clip/frames/000004.jpg")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip", rate="25")), "000004.jpg")


def test_empty_frame_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.write("clip/frames/000003.jpg", b"")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "000003.jpg", "empty")


def test_extra_frame_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.write("clip/frames/000099.jpg", frame(99))
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "000099.jpg")


def test_missing_rate_is_refused(world: World) -> None:
    world.upload_frames("clip", manifest=False)
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "rate", "30000/1001")


def test_invalid_first_frame_is_refused(world: World) -> None:
    world.upload_frames("clip", manifest=False)
    world.storage.input.write("clip/frames/000001.jpg", b"<html>not found</html>")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip", rate="25")), "000001.jpg")


def test_invalid_manifest_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.write("clip/manifest.json", b'{"version": 1, "source": ')
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "manifest")


def test_missing_audio_is_refused(world: World) -> None:
    world.upload_frames("clip", 2, manifest=False)
    track = AudioTrack(codec="aac", sample_rate=48_000, channels=1, start=Fraction(0), packets=3)
    manifest = Manifest.plain(2, Fraction(25), width=SIZE[0], height=SIZE[1]).model_copy(
        update={"audio_file": "audio.mp4", "audio": (track,)}
    )
    world.storage.input.write("clip/manifest.json", manifest.dumps())
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "clip/audio.mp4", "Upload it")


def test_missing_style_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.assert_refused(
        world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.jpg")), "sea.jpg", "Upload it"
    )


def test_invalid_style_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.write("clip/sea.jpg", b"%PDF-1.7 not a painting")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.jpg")), "sea.jpg")


def test_large_style_is_refused(world: World) -> None:
    world.upload_frames("clip")
    world.storage.input.write("clip/sea.png", painting())
    limited = world.changed(max_style_bytes=10)
    limited.assert_refused(
        limited.fire_trigger(limited.upload_trigger("clip", scorer="any", style="sea.png")), "sea.png", "10 bytes"
    )
    world.upload_frames("small", 2, size=(16, 16))
    world.storage.input.write("small/sea.png", painting())
    narrow = world.changed(max_frame_pixels=256)
    narrow.assert_refused(
        narrow.fire_trigger(narrow.upload_trigger("small", scorer="any", style="sea.png")), "sea.png", "40x30"
    )


def test_too_many_frames_are_refused(world: World) -> None:
    small = world.changed(max_frames=5)
    small.upload_frames("clip")
    small.assert_refused(small.fire_trigger(small.upload_trigger("clip")), "6", "MAX_FRAMES")


def test_large_frames_are_refused(world: World) -> None:
    small = world.changed(max_frame_pixels=1000)
    small.upload_frames("clip")
    small.assert_refused(small.fire_trigger(small.upload_trigger("clip")), "64x48", "MAX_FRAME_PIXELS")


def test_too_many_batches_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "MAX_BATCHES", 2)
    world.upload_frames("clip")
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), "3 batches", "frames_per_batch")


def test_frames_with_a_rate_need_no_manifest(world: World) -> None:
    for number in (8, 9, 10):
        world.storage.input.write(f"clip/shots/take v1.{number}.jpg", frame(number))
    world.storage.input.write("clip/shots/Thumbs.db", b"no image")
    world.storage.input.write("clip/shots2/take v1.11.jpg", frame(11))
    run_id = world.fire_trigger(world.upload_trigger("clip", frames="shots", rate="30000/1001"))
    manifest = read_manifest(world.storage, run_id)
    assert [manifest.frame_name(i) for i in range(3)] == ["take v1.8.jpg", "take v1.9.jpg", "take v1.10.jpg"]
    assert str(manifest.rate) == "30000/1001"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 3


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".webp", ".heic", ".avif", ".bmp"])
def test_frames_of_other_kinds_are_painted_as_png(world: World, suffix: str) -> None:
    for number in range(4):
        world.storage.input.write(f"clip/frames/shot_{number:03d}{suffix}", encode_as(suffix, draw(number, SIZE)))
    world.storage.input.write(f"clip/frames/._shot_000{suffix}", b"attributes")
    run_id = world.fire_trigger(world.upload_trigger("clip", rate="25"))
    manifest = read_manifest(world.storage, run_id)
    assert (manifest.width, manifest.height, manifest.image_format) == (*SIZE, "png")
    assert manifest.frame_name(3) == f"shot_003{suffix}"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 4
    receipts = [Receipt.load_stored(world.storage.runs.need(RunPaths(run_id).receipt(n)).data) for n in range(2)]
    painted = [file.name for receipt in receipts for file in receipt.frames]
    assert painted == [RunPaths(run_id).painted_frame(f"shot_{number:03d}.png") for number in range(4)]


def test_size_of_a_frame_is_read_behind_its_pixels(world: World) -> None:
    """Most programs write the directory of a TIFF file after the pixels."""
    frame_file = tiff_with_directory_last((2000, 1000))
    world.upload_files("clip", {f"frames/{number}.tif": frame_file for number in range(2)})
    run_id = world.fire_trigger(world.upload_trigger("clip", rate="25"))
    manifest = read_manifest(world.storage, run_id)
    assert (manifest.width, manifest.height) == (2000, 1000)


def test_option_input_selects_the_folder(world: World) -> None:
    world.upload_frames("shared", 2)
    run_id = world.fire_trigger(world.upload_trigger("night version", input="shared"))
    assert read_plan(world.storage, run_id).frames.name == "shared/frames/"
    assert world.finish(run_id) == "finished"


def test_video_is_split_before_planning(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    assert world.status(run_id) == "splitting"
    world.deliver_messages()
    assert sorted(world.tasks(run_id)) == ["split"]
    split(world.storage, run_id, 5)
    world.deliver_messages()
    plan = read_plan(world.storage, run_id)
    assert (plan.frame_count, plan.frames.container, plan.frames.name) == (5, "work", f"{run_id}/split/frames/")
    world.deliver_messages()
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 5


@pytest.mark.parametrize(("uploaded", "fragment"), [([], "video.mp4"), (["video.mp4"], "starry.jpg")])
def test_missing_video_or_style_creates_no_task(world: World, uploaded: list[str], fragment: str) -> None:
    for name in uploaded:
        world.storage.input.write(f"video/{name}", b"a video")
    run_id = world.fire_trigger(world.upload_trigger("video", video="video.mp4", scorer="any", style="starry.jpg"))
    world.deliver_messages()
    assert world.status(run_id) == "refused"
    assert fragment in world.outcome(run_id).reason
    assert world.app.batch.tasks(ids.job_id(run_id, 0)) == []


def test_batch_borders_follow_scene_cuts(world: World) -> None:
    world.upload_frames("clip", 12, manifest=False)
    manifest = Manifest.plain(12, Fraction(25), width=SIZE[0], height=SIZE[1]).model_copy(update={"cuts": (5,)})
    world.storage.input.write("clip/manifest.json", manifest.dumps())
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", frames_per_batch=6)))
    assert plan.borders == (0, 5, 12)


SHA = "ab" * 32
PROGRAMS = {
    "posterise": {"file": "posterise.py", "sha256": SHA, "kind": "script"},
    "count": {"file": "count.py", "sha256": SHA, "kind": "script", "makes": "records"},
    "cartoon": {"file": "cartoon.pt", "sha256": SHA, "kind": "torchscript"},
}


def test_plan_stores_the_default_of_steady(world: World) -> None:
    """Otherwise a later version with another default would change the rest of an open run."""
    world.upload_frames("clip")
    world.upload_files("clip", {"sea.png": painting()})
    painted = {"input": "clip", "scorer": "any", "style": "sea.png"}
    for name, options, planned in (
        ("default", painted, SCORERS["any"].temporal_smoothing),
        ("explicit", {**painted, "temporal_smoothing": 0}, 0),
        ("copied", {"input": "clip", "scorer": "copy"}, 0),
    ):
        plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger(name, **options)))
        assert plan.options.temporal_smoothing == plan.options.smoothing_weight == planned
    assert SCORERS["any"].temporal_smoothing > 0


def test_older_plan_without_steady_is_read(world: World) -> None:
    world.upload_frames("clip")
    world.upload_files("clip", {"sea.png": painting()})
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.png"))
    earlier = json.loads(world.storage.runs.need(RunPaths(run_id).plan).data)
    del earlier["options"]["temporal_smoothing"]
    assert Plan.load_stored(json.dumps(earlier)).options.smoothing_weight == SCORERS["any"].temporal_smoothing


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"scorer": "any", "style": {"sea.png": 1, "nowhere.jpg": 1}}, "'nowhere.jpg' is not in input/clip/"),
        ({"scorer": "tuned", "style": "sea.png"}, "tuned styles"),
        ({"scorer": "any", "style": "sea.png", "key_styles": [{"at": 0.25, "style": "sea.png"}]}, "0.25"),
        ({"mask": "masks"}, "'masks'"),
        ({"mask": "sea.png"}, "'sea.png'"),
        ({"scorer": "script", "program": "posterize"}, "did you mean 'posterise'"),
        ({"scorer": "model", "program": "posterise"}, "not for the scorer 'model'"),
        ({"scorer": "script", "program": "cartoon"}, "not for the scorer 'script'"),
        ({"scorer": "script", "program": "count", "mask": "masks"}, "mask"),
    ],
)
def test_unusable_options_are_refused(world: World, options: dict[str, Any], fragment: str) -> None:
    world = world.changed(allowed_programs=json.dumps(PROGRAMS))
    world.upload_frames("clip")
    world.upload_files("clip", {"sea.png": painting()})
    run_id = world.fire_trigger(world.upload_trigger("clip", **options))
    assert (world.status(run_id), fragment in world.outcome(run_id).reason) == ("refused", True), world.outcome(run_id)
    assert world.outcome(run_id).remedy


@pytest.mark.parametrize(
    "options",
    [
        {"scorer": "any", "style": "nowhere.jpg"},
        {"mask": "masks"},
        {"scorer": "script", "program": "unlisted"},
    ],
)
def test_options_are_checked_before_the_split(world: World, options: dict[str, Any]) -> None:
    world.storage.input.write("video/video.mp4", b"a video")
    run_id = world.fire_trigger(world.upload_trigger("video", video="video.mp4", **options))
    world.deliver_messages()
    assert world.status(run_id) == "refused"
    assert world.app.batch.tasks(ids.job_id(run_id, 0)) == []


def test_sound_with_too_many_packets_is_refused(world: World) -> None:
    world.upload_frames("clip", 2)
    track = {"codec": "aac", "sample_rate": 48_000, "channels": 2, "start": "0/1", "packets": MAX_AUDIO_PACKETS + 1}
    manifest = json.loads(world.storage.input.need("clip/manifest.json").data)
    changed = manifest | {"audio_file": "audio.mp4", "audio": [track]}
    world.upload_files("clip", {"manifest.json": json.dumps(changed).encode(), "audio.mp4": b"sound"})
    world.assert_refused(world.fire_trigger(world.upload_trigger("clip")), str(MAX_AUDIO_PACKETS))


def test_style_is_not_decoded(world: World) -> None:
    """A kilobyte of WebP can take gigabytes when it is decoded or opened by a library."""
    world.upload_frames("clip", 2)
    world.storage.input.write("clip/sea.webp", webp_header(7680, 4320))
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="any", style="sea.webp"))
    (style,) = read_plan(world.storage, run_id).styles
    assert (style.width, style.height) == (7680, 4320)


@pytest.mark.parametrize(
    ("asked", "planned"),
    [({}, "medium"), ({"strokes": "fine"}, "fine"), ({"strokes": 2}, 2), ({"size": 480}, None)],
)
def test_plan_has_explicit_strokes(world: World, asked: dict[str, Any], planned: object) -> None:
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", scorer="any", style="sea.png", **asked)
    assert read_plan(world.storage, run_id).options.strokes == planned


def test_scorer_without_default_strokes_works_on_the_size_of_the_video(world: World) -> None:
    assert read_plan(world.storage, world.start("clip", scorer="copy")).options.strokes is None


def test_request_from_before_strokes_keeps_the_size_of_the_video(world: World) -> None:
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", scorer="any", style="sea.png")
    state = read_state(world.storage, run_id)
    assert isinstance(state, RunState)
    old = state.request.model_copy(update={"version": 2})
    assert planned_options(old, None).strokes is None
    assert planned_options(state.request, None).strokes == "medium"


def test_run_created_from_one_before_strokes_keeps_the_size_of_the_video(world: World) -> None:
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", scorer="any", style="sea.png")
    state, plan = read_state(world.storage, run_id), read_plan(world.storage, run_id)
    assert isinstance(state, RunState)
    old = plan.model_copy(update={"options": plan.options.model_copy(update={"strokes": None})})
    assert planned_options(state.request, old).strokes is None
    assert planned_options(state.request, plan).strokes == "medium"


@pytest.mark.parametrize(("asked", "planned"), [({}, 0.5), ({"calm": 0}, 0), ({"statistics": "frame"}, None)])
def test_plan_has_explicit_calm(world: World, asked: dict[str, Any], planned: object) -> None:
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", scorer="any", style="sea.png", **asked)
    assert read_plan(world.storage, run_id).options.calm == planned


def test_runs_from_before_calm_are_painted_as_before(world: World) -> None:
    """Its request is older, or it is created from a run that is."""
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.start("clip", scorer="any", style="sea.png")
    state, plan = read_state(world.storage, run_id), read_plan(world.storage, run_id)
    assert isinstance(state, RunState)
    assert planned_options(state.request.model_copy(update={"version": 3}), None).calm is None
    old = plan.model_copy(update={"options": plan.options.model_copy(update={"calm": None})})
    assert planned_options(state.request, old).calm is None
    assert planned_options(state.request, plan).calm == 0.5
