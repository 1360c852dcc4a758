"""Runs whose tasks decode the video: what is planned, refused, and kept by resubmissions."""

import json
from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.calls import FramesQuery, StartRun
from frame_tools.contracts.errors import ErrorCode
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import SplitReceipt
from frame_tools.contracts.video_index import OBSTACLES, VideoIndex
from frame_tools.media.video_indexing import index_video
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import pin_of
from orchestration.handlers.resubmit import Which, resubmit
from orchestration.handlers.start_posted_run import start_posted_run
from orchestration.reporting.frames import frames_page
from orchestration.runs.advance import advance
from orchestration.runs.repair import repair_inputs
from orchestration.state import RunState, read_state
from tests.support.clips import Clip, Tone, make_clip
from tests.support.fake_node import fail, read_plan
from tests.support.world import World

FRAMES = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, its index and its sound."""
    folder = tmp_path_factory.mktemp("clip")
    index_video(make_clip(folder / "clip.mp4", Clip(frames=FRAMES, audio=(Tone(seconds=2),))), folder)
    return folder


def upload(world: World, clip: Path, *, name: str = "clip", manifest: Manifest | None = None, **options: Any) -> str:
    data = manifest.dumps() if manifest else (clip / "manifest.json").read_bytes()
    files = {"clip.mp4": (clip / "clip.mp4").read_bytes(), "index.json": data}
    world.upload_files(name, files | {"audio.mp4": (clip / "audio.mp4").read_bytes()})
    fields: dict[str, Any] = {"video": "clip.mp4", "index": "index.json", "frames_per_batch": 20}
    return world.fire_trigger(world.upload_trigger(name, **fields | options))


def other_index(clip: Path, **changes: Any) -> Manifest:
    return Manifest.parse_input((clip / "manifest.json").read_bytes()).model_copy(update=changes)


def test_run_with_an_index_needs_no_split(world: World, clip: Path) -> None:
    run_id = upload(world, clip)
    plan = read_plan(world.storage, run_id)
    assert (plan.source, plan.frames.name, plan.version) == ("video", "clip/clip.mp4", 7)
    assert plan.audio is not None
    assert plan.audio.name == "clip/audio.mp4"
    assert plan.options.keep_frames is False
    assert plan.inputs_sha256 is not None
    pins = json.loads(world.storage.runs.need(RunPaths(run_id).inputs(plan.inputs_sha256)).data)
    assert len(pins["frames"]) == 1
    assert not list(world.storage.work.list(RunPaths(run_id).split_folder))
    world.deliver_messages()
    assert set(world.tasks(run_id)) == {"b00000", "b00001", "b00002"}


def test_painted_frames_are_kept_on_request(world: World, clip: Path) -> None:
    run_id = upload(world, clip, keep_frames=True)
    assert read_plan(world.storage, run_id).options.keep_frames is True


def test_frames_keep_their_painted_frames_by_default(world: World) -> None:
    assert read_plan(world.storage, world.start("frames")).options.keep_frames is True
    old_name = world.start("old", video_only=True)
    assert read_plan(world.storage, old_name).options.keep_frames is False


REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no index": ({"index": "other.json"}, ("clip/other.json", "does not exist")),
    "no video": ({"video": "other.mp4"}, ("clip/other.mp4", "does not exist")),
    "tiny batches": ({"frames_per_batch": 1}, ("frames_per_batch",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unusable_video_is_refused(world: World, clip: Path, name: str) -> None:
    options, fragments = REFUSED[name]
    one_key = other_index(clip, index=VideoIndex(origin=0, keys=(0,), obstacle="keys"))
    world.assert_refused(upload(world, clip, manifest=one_key, **options), *fragments)


def test_manifest_without_an_index_is_refused(world: World, clip: Path) -> None:
    world.assert_refused(upload(world, clip, manifest=other_index(clip, index=None)), "not an index")


def split_task(world: World, run_id: str, clip: Path, manifest: Manifest | None = None) -> None:
    """Do what the task `split` does for a run that reads the video."""
    data = (manifest or other_index(clip)).dumps()
    world.storage.work.write(f"{RunPaths(run_id).split_folder}/audio.mp4", (clip / "audio.mp4").read_bytes())
    world.storage.runs.create(RunPaths(run_id).manifest, data)
    receipt = SplitReceipt(
        run_id=run_id, manifest_sha256=sha256_of(data), frame_count=FRAMES, task_id="split", finished_at="2026-11-29"
    )
    world.storage.runs.create(RunPaths(run_id).split_receipt, receipt.dumps())


def start_without_index(world: World, clip: Path, name: str = "clip", manifest: Manifest | None = None) -> str:
    if not world.storage.input.exists("clip/clip.mp4"):
        world.upload_files("clip", {"clip.mp4": (clip / "clip.mp4").read_bytes()})
    run_id = world.fire_trigger(world.upload_trigger(name, input="clip", video="clip.mp4", frames_per_batch=20))
    assert world.status(run_id) == "splitting"
    split_task(world, run_id, clip, manifest)
    return run_id


def read_by_task(storage: Storage, clip: Path) -> Manifest:
    """Return the clip's manifest as a task makes it: with the pin of the blob."""
    info, manifest = storage.input.info("clip/clip.mp4"), other_index(clip)
    assert info is not None
    assert manifest.index is not None
    return manifest.model_copy(update={"index": manifest.index.model_copy(update={"file": pin_of(info)})})


def test_video_without_an_index_is_indexed_by_a_task(world: World, clip: Path) -> None:
    run_id = start_without_index(world, clip)
    advance(world.app, run_id)
    plan = read_plan(world.storage, run_id)
    assert (plan.source, plan.frames.container, plan.frames.name) == ("video", "input", "clip/clip.mp4")
    assert plan.audio is not None
    assert plan.audio.container == "work"


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"video": "clip.mp4"}, "video"),
        ({"video": "clip.mp4", "index": "index.json"}, "video"),
        ({"video": "clip.mp4", "source": "frames"}, "frames"),
        ({"frames": "stills", "rate": 25}, "frames"),
        ({}, "frames"),
    ],
)
def test_request_says_what_tasks_read(world: World, options: dict[str, Any], source: str) -> None:
    """A default that changes later must not change a run that waits."""
    of_file = world.fire_trigger(world.upload_trigger("clip", **options))
    posted = start_posted_run(
        world.app, StartRun.model_validate({"name": "post", "options": {"scorer": "copy"} | options})
    )
    for run_id in (of_file, posted.run_id):
        request = Request.load_stored(world.storage.runs.need(RunPaths(run_id).request).data)
        assert (request.trigger.source, request.trigger.reads_video) == (source, source == "video")


def test_video_that_was_replaced_before_planning_is_refused(world: World, clip: Path) -> None:
    """Browsers upload in blocks, and storage records no MD5: the index has the ETag of the blob that the task read."""
    data = (clip / "clip.mp4").read_bytes()
    world.storage.input.append("clip/clip.mp4", data)
    manifest = read_by_task(world.storage, clip)
    runs = [start_without_index(world, clip, name, manifest) for name in ("same", "other")]
    advance(world.app, runs[0])
    assert read_plan(world.storage, runs[0]).source == "video"
    world.storage.input.delete("clip/clip.mp4")
    world.storage.input.append("clip/clip.mp4", data[:-1] + b"x")
    advance(world.app, runs[1])
    world.deliver_messages()
    world.assert_refused(runs[1], "clip/clip.mp4", "index")
    assert world.outcome(runs[1]).code is ErrorCode.INPUT_CHANGED


def test_index_of_a_task_is_made_again(world: World, clip: Path) -> None:
    run_id = start_without_index(world, clip)
    advance(world.app, run_id)
    world.storage.work.delete(f"{RunPaths(run_id).split_folder}/audio.mp4")
    state = read_state(world.storage, run_id)
    assert isinstance(state, RunState)
    assert repair_inputs(world.app, state)
    advance(world.app, run_id)
    assert world.status(run_id) == "splitting"


def test_replaced_video_is_not_planned_again(world: World, clip: Path) -> None:
    """The failed batch stays refused until the original is there again."""
    run_id = start_without_index(world, clip)
    advance(world.app, run_id)
    world.deliver_messages()
    plan = read_plan(world.storage, run_id)
    world.storage.input.write("clip/clip.mp4", b"another video")
    for batch in range(3):
        fail(world.storage, run_id, batch, "The video was replaced", code=ErrorCode.INPUT_CHANGED)
    world.deliver_messages()
    assert world.status(run_id) == "failed"
    assert resubmit(world.app, run_id, "missing") == run_id
    assert read_plan(world.storage, run_id) == plan


def test_resubmission_with_options_reads_the_same_video(world: World, clip: Path) -> None:
    run_id = upload(world, clip)
    child = resubmit(world.app, run_id, "all", {"strength": 0.5})
    plan = read_plan(world.storage, child)
    assert (plan.source, plan.frames.name, plan.options.strength) == ("video", "clip/clip.mp4", 0.5)
    assert plan.inputs_sha256 == read_plan(world.storage, run_id).inputs_sha256
    again = resubmit(world.app, run_id, [0, 1, 2])
    assert read_plan(world.storage, again).source == "video"


@pytest.mark.parametrize(("which", "options"), [("all", {"strength": 0.5}), ("all", {}), ([1], {})])
def test_resubmission_long_after_the_end_reads_the_sound_again(
    world: World, clip: Path, which: Which, options: dict[str, Any]
) -> None:
    """The sound that a task has copied is deleted with everything in `work`, the user's video is not."""
    run_id = start_without_index(world, clip)
    advance(world.app, run_id)
    world.storage.work.delete(f"{RunPaths(run_id).split_folder}/audio.mp4")
    if which != "all":
        for batch in (0, 2):
            world.storage.runs.create(RunPaths(run_id).receipt(batch), b"{}")
    child = resubmit(world.app, run_id, which, options)
    assert world.status(child) == "splitting"
    split_task(world, child, clip)
    advance(world.app, child)
    plan = read_plan(world.storage, child)
    assert plan.audio is not None
    assert (plan.source, plan.audio.name) == ("video", f"{RunPaths(child).split_folder}/audio.mp4")


def test_resubmission_with_options_refuses_a_replaced_video(world: World, clip: Path) -> None:
    run_id = upload(world, clip)
    world.deliver_messages()
    world.storage.input.write("clip/clip.mp4", b"another video")
    child = resubmit(world.app, run_id, "all", {"strength": 0.5})
    world.assert_refused(child, "clip/clip.mp4", "replaced")


def test_video_without_a_checksum_is_not_recognized_again_and_the_remedy_says_so(world: World, clip: Path) -> None:
    """Browsers upload in blocks, so storage knows no MD5, and the same file has another ETag."""
    data = (clip / "clip.mp4").read_bytes()
    world.storage.input.append("clip/clip.mp4", data)
    run_id = start_without_index(world, clip, "run", read_by_task(world.storage, clip))
    advance(world.app, run_id)
    world.deliver_messages()
    world.storage.input.delete("clip/clip.mp4")
    world.storage.input.append("clip/clip.mp4", data)
    child = resubmit(world.app, run_id, "all", {"strength": 0.5})
    world.assert_refused(child, "clip/clip.mp4", "replaced", "Start a new run", "no checksum")


def test_frames_have_no_pictures(world: World, clip: Path) -> None:
    run_id = upload(world, clip)
    page = frames_page(world.app, run_id, FramesQuery(limit=5))
    assert page is not None
    assert page.total == FRAMES
    assert [(frame.before, frame.after) for frame in page.frames] == [(None, None)] * 5


def test_lost_pins_are_made_again(world: World, clip: Path) -> None:
    run_id = upload(world, clip)
    plan = read_plan(world.storage, run_id)
    assert plan.inputs_sha256 is not None
    world.storage.runs.delete(RunPaths(run_id).inputs(plan.inputs_sha256))
    state = read_state(world.storage, run_id)
    assert isinstance(state, RunState)
    assert not repair_inputs(world.app, state)
    assert world.storage.runs.exists(RunPaths(run_id).inputs(plan.inputs_sha256))


def test_decoding_from_the_first_frame_is_noted(world: World, clip: Path) -> None:
    exact = upload(world, clip)
    one_key = other_index(clip, index=VideoIndex(origin=0, keys=(0,), obstacle="clock", has_jumps=True))
    from_first = upload(world, clip, name="jumps", manifest=one_key)
    alone = upload(world, clip, name="alone", manifest=one_key, frames_per_batch=FRAMES)
    assert [world.status_document(run)["notes"] for run in (exact, alone)] == [[], []]
    assert OBSTACLES["clock"] in world.status_document(from_first)["notes"][0]


def test_video_that_was_not_indexed_is_refused(world: World, clip: Path) -> None:
    """Before a task is paid for: the upload recorded the MD5 of its content."""
    world.upload_files("clip", {"other.mp4": b"another video"})
    world.assert_refused(upload(world, clip, video="other.mp4"), "clip/other.mp4", "index")
