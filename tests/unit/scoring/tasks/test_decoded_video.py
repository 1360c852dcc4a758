"""A task that decodes its stretch of the video paints what a task with stored frames paints, and no other video."""

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from frame_tools.contracts.batch_borders import even_borders
from frame_tools.contracts.errors import ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, Request
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.video_index import OBSTACLES
from frame_tools.media.frame_converter import FrameConverter
from frame_tools.media.frame_writer import FrameWriter
from frame_tools.media.split import split
from frame_tools.media.video_indexing import index_video
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.in_memory import InMemoryContainer, in_memory_storage
from frame_tools.storage.pins import pin_of, store_pins
from scoring.pipeline import video_frames
from scoring.pipeline.video_frames import open_video_frames
from scoring.tasks.base import Task
from scoring.tasks.split import UPLOAD_THREADS, split_video
from tests.support.clips import Clip, Tone, make_clip
from tests.support.interlaced import MPEG2, write_interlaced
from tests.support.scoring_tasks import RUN, receipt_of, score

PNG = SplitOptions(image_format="png")
FRAMES = 75
LONG = Clip(frames=FRAMES)
CLIPS = {
    "rotated": ("v.mp4", replace(LONG, rotation=270, size=(48, 64))),
    "variable rate": ("v.mkv", replace(LONG, time_base=Fraction(1, 1000), pts=[40 * n + n % 7 for n in range(FRAMES)])),
    "odd size": ("v.mp4", replace(LONG, size=(63, 47))),
    "HDR": ("v.mp4", replace(LONG, codec="libx265", pix_fmt="yuv420p10le", color=(9, 16, 9, 1))),
    "alpha": ("v.webm", replace(LONG, codec="libvpx-vp9", pix_fmt="yuva420p", encoder_options={"g": "30"})),
    "transport stream": ("v.ts", LONG),
}
ANY_SIZE = [0, video_frames.WHOLE_BYTES]
"""Sizes up to which videos are read as a whole: none, or those of all tests."""


def planned_ways(folder, video, options=None, *, per_batch=25):
    """Return storage with a run over stored frames, and storage with one that decodes the video."""
    options = Options(**{"scorer": "copy", "temporal_smoothing": 0.5} | (options or {}))
    manifest = split(video, folder / "split", PNG)
    stored, decoded = in_memory_storage(), in_memory_storage()
    for path in (folder / "split" / "frames").iterdir():
        stored.input.write(f"clip/frames/{path.name}", path.read_bytes())
    frames = tuple(pin_of(item) for item in stored.input.list("clip/frames/"))
    write_plan(stored, manifest, "clip/frames/", frames, options, source="frames")
    decoded.input.write("clip/v", video.read_bytes())
    stored_video = decoded.input.info("clip/v")
    assert stored_video is not None
    pins = (pin_of(stored_video),)
    index = index_video(video, folder / "index", PNG)
    write_plan(
        decoded,
        index,
        "clip/v",
        pins,
        options.model_copy(update={"keep_frames": False}),
        source="video",
        per_batch=per_batch,
    )
    return stored, decoded


def write_plan(storage, manifest, frames, pins, options, *, source, per_batch=25):
    storage.runs.write(RunPaths(RUN).manifest, manifest.dumps())
    inputs = InputPins(run_id=RUN, frames=pins)
    store_pins(storage.runs, inputs)
    plan = Plan(
        run_id=RUN,
        name="clip",
        correlation_id=RUN,
        options=options,
        borders=even_borders(manifest.frame_count, per_batch),
        manifest_sha256=sha256_of(manifest.dumps()),
        source=source,
        frames=BlobRef(container="input", name=frames),
        inputs_sha256=inputs.digest,
        container="mp4",
    )
    storage.runs.write(RunPaths(RUN).plan, plan.dumps())


def segments(storage, batches):
    for batch in batches:
        score(storage, batch)
    return [storage.work.need(receipt_of(storage, batch).segment.name).data for batch in batches]


def planned_video(tmp_path, **options):
    return planned_ways(tmp_path, make_clip(tmp_path / "v.mp4", LONG), options)[1]


@pytest.mark.parametrize("whole_bytes", ANY_SIZE)
@pytest.mark.parametrize("name", CLIPS)
def test_both_ways_give_the_same_bytes(tmp_path, monkeypatch, name, whole_bytes):
    monkeypatch.setattr(video_frames, "WHOLE_BYTES", whole_bytes)
    file, clip = CLIPS[name]
    stored, decoded = planned_ways(tmp_path, make_clip(tmp_path / file, clip))
    assert segments(decoded, (2, 0, 1)) == segments(stored, (2, 0, 1))


def test_interlaced_video_gives_the_same_bytes(tmp_path):
    write_interlaced(tmp_path / "v.mkv", *MPEG2, frames=60)
    stored, decoded = planned_ways(tmp_path, tmp_path / "v.mkv")
    assert segments(decoded, (1, 0, 2)) == segments(stored, (1, 0, 2))


def test_nothing_is_stored_but_segments_and_pairs(tmp_path):
    storage = planned_video(tmp_path)
    segments(storage, (0, 1, 2))
    names = {item.name.removeprefix(f"{RUN}/").partition("/")[0] for item in storage.work.list("")}
    assert names == {"segments", "pairs"}
    assert receipt_of(storage).frames == ()


def test_painted_frames_are_stored_on_request(tmp_path):
    storage = planned_video(tmp_path)
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    kept = plan.model_copy(update={"options": plan.options.model_copy(update={"keep_frames": True})})
    storage.runs.write(RunPaths(RUN).plan, kept.dumps())
    score(storage)
    assert len(receipt_of(storage).frames) == 25


@pytest.mark.parametrize("whole_bytes", ANY_SIZE)
def test_replaced_video_is_refused(tmp_path, monkeypatch, whole_bytes):
    monkeypatch.setattr(video_frames, "WHOLE_BYTES", whole_bytes)
    storage = planned_video(tmp_path)
    storage.input.write("clip/v", make_clip(tmp_path / "w.mp4", replace(LONG, mirrored=True)).read_bytes())
    with pytest.raises(InputError, match="'v' was replaced") as caught:
        score(storage)
    assert (caught.value.code, caught.value.next_step) == (ErrorCode.INPUT_CHANGED, NextStep.RESUBMIT)
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))


def test_missing_video_is_refused(tmp_path):
    storage = planned_video(tmp_path)
    storage.input.delete("clip/v")
    with pytest.raises(InputError, match="'v' no longer exists"):
        score(storage)


def test_video_that_is_not_the_indexed_one_is_refused(tmp_path):
    """The pin is that of the video, but its index was made of another one."""
    storage = planned_video(tmp_path)
    manifest = index_video(
        make_clip(tmp_path / "w.mp4", replace(LONG, time_base=Fraction(1, 50), pts=range(FRAMES))),
        tmp_path / "other",
        PNG,
    )
    write_plan(
        storage, manifest, "clip/v", (pin_of(storage.input.info("clip/v")),), Options(scorer="copy"), source="video"
    )
    with pytest.raises(InputError, match="v is not the video that its index describes") as caught:
        score(storage)
    assert caught.value.next_step is NextStep.START_NEW_RUN


def test_frames_are_the_same_in_any_order_and_on_any_thread(tmp_path):
    storage = planned_video(tmp_path)
    manifest = index_video(tmp_path / "v.mp4", tmp_path / "index", PNG)
    pins = InputPins(run_id=RUN, frames=(pin_of(storage.input.info("clip/v")),))
    frames = open_video_frames(storage.input, BlobRef(container="input", name="clip/v"), pins, manifest)
    names = [manifest.frame_name(index) for index in range(FRAMES)]
    in_order = [frames.read(name).picture.tobytes() for name in names]
    shuffled = random.Random(3).sample(range(FRAMES), FRAMES)
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda index: frames.read(names[index]).picture.tobytes(), shuffled))
    assert pictures == [in_order[index] for index in shuffled]
    assert all(one != other for one, other in pairwise(in_order))


def frames_of(tmp_path, *, opened=None):
    """Return the frames of a video as a task reads them, and their names; `opened` notes how often it is opened."""
    storage = planned_video(tmp_path)
    manifest = index_video(tmp_path / "v.mp4", tmp_path / "index", PNG)
    data = storage.input.need("clip/v").data

    def open_file():
        if opened is not None:
            opened.append(True)
        return io.BytesIO(data)

    names = [manifest.frame_name(index) for index in range(FRAMES)]
    return video_frames.VideoFrames(open_file, manifest, name="v"), names


def test_frames_are_converted_while_others_are_decoded(tmp_path, monkeypatch):
    """No thread converts under the lock: all readers meet in the conversion."""
    frames, names = frames_of(tmp_path)
    convert, meeting = FrameConverter.to_pixels, threading.Barrier(4)

    def meet(converter, frame):
        meeting.wait(timeout=60)
        return convert(converter, frame)

    monkeypatch.setattr(FrameConverter, "to_pixels", meet)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(frames.read, names[:20]))) == 20


def test_frames_before_the_first_one_are_not_converted(tmp_path, monkeypatch):
    frames, names = frames_of(tmp_path)
    convert, count = FrameConverter.to_pixels, []
    monkeypatch.setattr(
        FrameConverter, "to_pixels", lambda converter, frame: count.append(frame) or convert(converter, frame)
    )
    for name in names[20:24]:
        frames.read(name)
    assert len(count) == 4


def test_frame_that_a_thread_waits_for_is_kept(tmp_path):
    """The lock may go to other threads many times before one that asked earlier."""
    opened: list[bool] = []
    frames, names = frames_of(tmp_path, opened=opened)
    in_order = [frames.read(name).picture.tobytes() for name in names[:1]]
    frames._await(0, 1)
    for name in names[: 3 * video_frames.CACHED_FRAMES]:
        frames.read(name)
    before = len(opened)
    assert frames.read(names[0]).picture.tobytes() == in_order[0]
    assert len(opened) == before


def test_picture_may_be_written_to(tmp_path):
    frames, names = frames_of(tmp_path)
    picture = frames.read(names[0]).picture
    picture[:] = 0
    assert frames.read(names[0]).picture.any()


def split_on_node(tmp_path, clip, *, storage=None, **options):
    """Execute the task `split` for a video; return storage and the manifest."""
    storage = storage or in_memory_storage()
    storage.input.append("clip/v.mp4", make_clip(tmp_path / "v.mp4", clip).read_bytes())  # without an MD5
    trigger = Trigger(**{"scorer": "copy", "video": "v.mp4", "frames_per_batch": 25} | options).with_source
    request = Request(
        run_id=RUN, name="clip", trigger_blob="clip.json", trigger_etag='"0"', trigger=trigger, folder="clip",
        received_at="2026-11-29T00:00:00+00:00", correlation_id=RUN,
    )  # fmt: skip
    storage.runs.write(RunPaths(RUN).request, request.dumps())
    split_video(Task(storage=storage, run_id=RUN, step="split", task_id="split"))
    return storage, Manifest.load_stored(storage.runs.need(RunPaths(RUN).manifest).data)


def test_split_task_stores_only_index_and_sound(tmp_path):
    storage, manifest = split_on_node(tmp_path, replace(LONG, audio=(Tone(seconds=3),)))
    assert len(manifest.index.keys) > 2
    assert [item.name for item in storage.work.list("")] == [f"{RUN}/split/audio.mp4"]
    assert manifest.index.file == pin_of(storage.input.info("clip/v.mp4"))


def test_video_that_is_replaced_while_the_split_reads_it_is_refused(tmp_path):
    downloads, container = [], InMemoryContainer("input")

    def replace_after_the_download(name, writes):
        if name == "input/clip/v.mp4" and not writes:
            downloads.append(name)
            if len(downloads) == 2:
                container.append("clip/v.mp4", b"another")

    storage = in_memory_storage()
    hooked = replace(storage, input=container.with_hook(replace_after_the_download))
    with pytest.raises(InputError, match="replaced") as caught:
        split_on_node(tmp_path, LONG, storage=hooked)
    assert caught.value.code is ErrorCode.INPUT_CHANGED
    assert not storage.runs.exists(RunPaths(RUN).manifest)


def test_video_that_cannot_be_decoded_in_parts_is_split_and_says_so(tmp_path):
    """One key frame and a task for every few frames: each would decode all frames before its own."""
    storage, manifest = split_on_node(tmp_path, replace(LONG, encoder_options={"g": "1000"}), frames_per_batch=5)
    assert manifest.index is None
    assert len(list(storage.work.list(f"{RUN}/split/frames/"))) == FRAMES
    assert OBSTACLES["keys"] in manifest.notes[-1]


def test_video_is_split_where_frames_are_asked_for(tmp_path):
    storage, manifest = split_on_node(tmp_path, LONG, source="frames")
    assert manifest.index is None
    assert manifest.notes == ()
    assert len(list(storage.work.list(f"{RUN}/split/frames/"))) == FRAMES


def operations(folder, frames):
    """Score a clip in one batch; return the names of the blobs that were accessed in the data account."""
    folder.mkdir()
    video = make_clip(folder / "v.mp4", replace(LONG, frames=frames))
    _, storage = planned_ways(folder, video, per_batch=frames)
    accessed = []

    def note(name, _writes):
        accessed.append(name)

    score(replace(storage, input=storage.input.with_hook(note), work=storage.work.with_hook(note)))
    return accessed


@pytest.mark.parametrize("whole_bytes", ANY_SIZE)
def test_operations_do_not_grow_with_the_frames(tmp_path, monkeypatch, whole_bytes):
    """A batch reads its part of the video, and writes a segment and up to eight pairs."""
    monkeypatch.setattr(video_frames, "WHOLE_BYTES", whole_bytes)
    short, long = operations(tmp_path / "short", 25), operations(tmp_path / "long", 150)
    assert len(short) == len(long)
    assert sum(name.startswith("input/") for name in long) <= 8


def test_frames_are_uploaded_while_others_are_decoded(tmp_path, monkeypatch):
    """When the last frame has been decoded, only a bounded number of the others is still to be uploaded."""
    uploaded, at_the_end = [], []
    upload_file, leave = InMemoryContainer.upload_file, FrameWriter.__exit__

    def counting_upload(container, name, path):
        upload_file(container, name, path)
        uploaded.append(name)

    def counting_leave(writer, *error):
        at_the_end.append(len(uploaded))
        leave(writer, *error)

    monkeypatch.setattr(InMemoryContainer, "upload_file", counting_upload)
    monkeypatch.setattr(FrameWriter, "__exit__", counting_leave)
    frames = 6 * UPLOAD_THREADS + 40
    split_on_node(tmp_path, replace(LONG, frames=frames), source="frames")
    assert len(uploaded) == frames
    assert at_the_end[0] >= 8
