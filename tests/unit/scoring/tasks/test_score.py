"""The scoring task: receipts, frames, prepared values, options and records."""

import io
import json
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from frame_tools.contracts.errors import DamagedError, InputError, InternalError, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedMask
from frame_tools.media.images import encode_jpeg, encode_png, read_rgb
from frame_tools.storage.blobs import sha256_of
from scoring.pipeline.frame_reader import decode_frame
from scoring.scorers.registry import load_scorer
from scoring.tasks import score as score_task
from scoring.types import CONTRAST
from tests.support.clips import draw, read_number
from tests.support.hostile_images import png_header
from tests.support.scorer_runs import painting
from tests.support.scoring_tasks import (
    BORDERS,
    RUN,
    SIZE,
    message,
    planned,
    planned_with_painting,
    planned_with_script,
    receipt_of,
    score,
)


def test_receipt_matches_storage():
    storage = planned()
    score(storage, 1)
    receipt = receipt_of(storage, 1)
    assert (receipt.run_id, receipt.batch, receipt.start, receipt.end) == (RUN, 1, 3, 5)
    assert receipt.plan_sha256 == sha256_of(storage.runs.need(RunPaths(RUN).plan).data)
    assert (receipt.task_id, receipt.device, receipt.dedicated) == ("b00001", "cpu", False)
    assert [frame.name for frame in receipt.frames] == [f"{RUN}/frames/00000{number}.jpg" for number in (4, 5)]
    for proved in (*receipt.frames, receipt.segment):
        blob = storage.work.need(proved.name)
        assert (proved.size, proved.sha256, proved.etag) == (len(blob.data), sha256_of(blob.data), blob.etag)
    times = receipt.times
    assert 0 <= times.start_up <= times.total
    assert min(times.load, times.infer, times.save) >= 0
    assert storage.finished_batches.messages == [message(1)]


def test_frames_and_segment_hold_the_batch():
    storage = planned()
    score(storage, 1)
    stored = [read_rgb(storage.work.need(frame.name).data) for frame in receipt_of(storage, 1).frames]
    assert [read_number(image) for image in stored] == [3, 4]
    with av.open(io.BytesIO(storage.work.need(RunPaths(RUN).segment(1)).data), "r") as video:
        pictures = [frame.to_image() for frame in video.decode(video=0)]
    assert [picture.size for picture in pictures] == [SIZE, SIZE]
    assert [read_number(picture) for picture in pictures] == [3, 4]


def test_png_frames_are_lossless():
    storage = planned(image_format="png")
    score(storage)
    for index, frame in enumerate(receipt_of(storage).frames):
        assert frame.name.endswith(".png")
        assert read_rgb(storage.work.need(frame.name).data).tobytes() == draw(index, SIZE).tobytes()


@pytest.mark.parametrize("suffix", ["tif", "webp", "heic"])
def test_frames_of_other_kinds_are_painted_as_png(suffix):
    storage = planned(image_format="png", suffix=suffix)
    score(storage)
    frames = receipt_of(storage).frames
    assert [frame.name for frame in frames] == [f"{RUN}/frames/00000{number}.png" for number in (1, 2, 3)]
    for index, frame in enumerate(frames):
        image = read_rgb(storage.work.need(frame.name).data)
        assert read_number(image) == index
        assert suffix == "heic" or image.tobytes() == draw(index, SIZE).tobytes()


def test_log_has_one_line_per_frame():
    storage = planned()
    score(storage)
    lines = [json.loads(line) for line in storage.logs.need(receipt_of(storage).log).data.splitlines()]
    assert [(line["frame"], line["name"], line["batch"]) for line in lines] == [
        (index, f"00000{index + 1}.jpg", 0) for index in range(3)
    ]
    assert [line["bytes"] for line in lines] == [frame.size for frame in receipt_of(storage).frames]
    assert all(line[f"{what}_ms"] >= 0 for line in lines for what in ("load", "infer", "save", "segment"))


def test_score_is_deterministic():
    first, second = planned(), planned()
    score(first)
    score(second)
    assert first.work.contents == second.work.contents


def _other_size(storage):
    storage.input.write("clip/frames/000002.jpg", encode_jpeg(draw(1, (32, 48))))


def test_frame_of_wrong_size_names_both_sizes():
    storage = planned()
    _other_size(storage)
    with pytest.raises(InputError, match=r"32x48.*64x48"):
        score(storage)


def test_frame_of_wrong_size_is_not_decoded(monkeypatch):
    monkeypatch.setattr("scoring.pipeline.frame_reader.decode_with_alpha", lambda *_: pytest.fail("it was decoded"))
    manifest = Manifest.plain(1, Fraction(25), width=64, height=48)
    with pytest.raises(InputError, match=r"8192x8191.*64x48"):
        decode_frame(manifest, png_header(8192, 8191), "000001.png")


@pytest.mark.parametrize("frame", [None, b"", b"no picture", encode_jpeg(draw(0, (32, 16)))])
def test_unusable_frame_of_a_split_video_is_damage(frame):
    storage = planned(frames=BlobRef(container="work", name="clip/frames/"))
    for item in list(storage.input.list("clip/frames/")):
        storage.work.write(item.name, storage.input.need(item.name).data)
    name = "clip/frames/000002.jpg"
    if frame is None:
        storage.work.delete(name)
    else:
        storage.work.write(name, frame)
    with pytest.raises(DamagedError) as caught:
        score(storage)
    assert caught.value.next_step is NextStep.RESUBMIT
    assert "000002.jpg" in caught.value.what


def test_scorer_loads_while_the_input_is_read(monkeypatch):
    is_loading, read = threading.Event(), score_task.read_manifest

    def loading(plan, resources):
        is_loading.set()
        return load_scorer(plan, resources)

    def read_meanwhile(task, plan):
        assert is_loading.wait(30), "the input was read before the scorer was loaded"
        return read(task, plan)

    monkeypatch.setattr(score_task, "load_scorer", loading)
    monkeypatch.setattr(score_task, "read_manifest", read_meanwhile)
    storage = planned()
    score(storage)
    assert storage.runs.exists(RunPaths(RUN).receipt(0))


def test_changed_manifest_is_damaged():
    storage = planned()
    storage.runs.write(RunPaths(RUN).manifest, storage.runs.need(RunPaths(RUN).manifest).data + b"\n")
    with pytest.raises(DamagedError, match="manifest"):
        score(storage)
    assert not storage.runs.exists(RunPaths(RUN).failure("00000"))


def test_plan_with_other_weights_is_rejected():
    storage = planned(weights_sha256="0" * 64)
    with pytest.raises(InternalError, match="version"):
        score(storage)
    assert storage.work.contents == {}


@pytest.fixture(scope="module")
def painted(weights):
    """Storage after the first of two tasks of the scorer `any`."""
    storage = planned_with_painting()
    score(storage, 0, weights=weights)
    return storage


PREPARED = RunPaths(RUN).prepared


def test_first_task_stores_prepared_values(painted):
    prepared = safetensors.numpy.load(painted.runs.need(PREPARED).data)
    assert set(prepared) == {"styles", "statistics", CONTRAST}
    assert all(np.isfinite(values).all() for values in prepared.values())
    image = np.asarray(read_rgb(painted.work.need(f"{RUN}/frames/000001.jpg").data), int)
    assert abs(image - np.asarray(draw(0, SIZE), int)).mean() > 10, "the frame was painted"


def test_second_task_uses_stored_values(painted, weights):
    """What is stored, were it other, would give another frame; the second task does not write it again."""
    stored = painted.runs.need(PREPARED).data
    frames = []
    for data in (stored, _otherwise(stored)):
        storage = planned_with_painting()
        storage.runs.write(PREPARED, data)
        score(storage, 1, weights=weights)
        assert storage.runs.need(PREPARED).data == data
        frames.append(storage.work.need(f"{RUN}/frames/000004.jpg").data)
    assert frames[0] != frames[1]


@pytest.mark.parametrize("damage", [b"", b"{", bytes(range(256))])
def test_damaged_prepared_values_are_computed_again(painted, weights, damage):
    storage = planned_with_painting()
    storage.runs.write(RunPaths(RUN).prepared, damage)
    score(storage, weights=weights)
    assert storage.runs.need(RunPaths(RUN).prepared).data == painted.runs.need(RunPaths(RUN).prepared).data
    (name,) = (item.name for item in storage.runs.list(f"{RUN}/damaged/"))
    assert storage.runs.need(name).data == damage


def test_preparation_is_deterministic(painted, weights):
    storage = planned_with_painting()
    score(storage, 1, weights=weights)
    assert storage.runs.need(PREPARED).data == painted.runs.need(PREPARED).data


def test_changed_painting_is_damaged(weights):
    storage = planned_with_painting()
    storage.work.write("style", encode_png(Image.new("RGB", (80, 60), "blue")))
    with pytest.raises(DamagedError, match=r"swirls\.png"):
        score(storage, weights=weights)
    assert not storage.runs.exists(PREPARED)


def test_receipt_has_versions(painted):
    receipt = receipt_of(painted)
    assert {"impasto", "torch", "numpy", "av"} <= set(receipt.versions)
    assert receipt.bad_frames == ()


def test_receipt_has_the_contrast_that_calm_left(painted, weights):
    assert receipt_of(painted).contrast == 1, "without calm, frames are stretched to full contrast"
    storage = planned_with_painting(calm=1)
    score(storage, weights=weights)
    prepared = safetensors.numpy.load(storage.runs.need(PREPARED).data)
    assert receipt_of(storage).contrast == prepared[CONTRAST].min() != 1


def _otherwise(data):
    values = safetensors.numpy.load(data)
    return safetensors.numpy.save(values | {"styles": -values["styles"]})


def delivered(storage, index, batch=0, **more):
    score(storage, batch, **more)
    return np.asarray(read_rgb(storage.work.need(f"{RUN}/frames/{index + 1:06d}.png").data), int)


def test_mask_limits_painting(weights):
    """The left half is black in the mask: there the input comes back bit for bit."""
    mask = Image.new("L", SIZE, 255)
    mask.paste(0, (0, 0, SIZE[0] // 2, SIZE[1]))
    storage = planned_as_png(mask=PlannedMask(blob=BlobRef(container="input", name="m/"), kind="folder", suffix=".png"))
    for number in range(1, 6):
        storage.input.write(f"m/{number:06d}.png", encode_png(mask.convert("RGB")))
    painted = delivered(storage, 0, weights=weights)
    whole = np.asarray(draw(0, SIZE), int)
    half = SIZE[0] // 2
    assert np.array_equal(painted[:, :half], whole[:, :half])
    assert abs(painted[:, half:] - whole[:, half:]).mean() > 10


def test_strength_0_delivers_the_input(weights):
    assert np.array_equal(delivered(planned_as_png(strength=0), 1, weights=weights), np.asarray(draw(1, SIZE), int))


def test_size_option_keeps_delivered_size(weights):
    small, full = (
        delivered(planned_as_png(**options), 0, weights=weights) for options in ({"size": 24}, {"strength": 1.0})
    )
    assert small.shape == full.shape == (SIZE[1], SIZE[0], 3)
    assert abs(small - full).mean() > 2


def test_batch_border_is_invisible(weights):
    """Steadied frames of the second batch are those of one batch of all, up to what the warm-up has forgotten."""
    whole = planned_as_png(temporal_smoothing=0.5, borders=(0, 5))
    apart = planned_as_png(temporal_smoothing=0.5)
    score(whole, weights=weights)
    for batch in (0, 1):
        score(apart, batch, weights=weights)
    for number in range(1, 6):
        name = f"{RUN}/frames/{number:06d}.png"
        frames = [np.asarray(read_rgb(storage.work.need(name).data), int) for storage in (whole, apart)]
        assert abs(frames[0] - frames[1]).max() <= 1


def planned_as_png(mask=None, borders=BORDERS, **options):
    storage = planned_with_painting(**options)
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    other = planned(
        "any",
        image_format="png",
        options=options,
        styles=plan.styles,
        key_styles=plan.key_styles,
        sample=plan.sample,
        mask=mask,
        borders=borders,
    )
    other.work.write("style", painting())
    return other


def test_video_only_stores_no_frames():
    kept, video_only = planned(), planned(options={"video_only": True})
    for storage in (kept, video_only):
        score(storage)
    assert receipt_of(video_only).frames == ()
    kept_files = {name for name in video_only.work.contents if not name.startswith(RunPaths(RUN).pairs)}
    assert kept_files == {RunPaths(RUN).segment(0)}
    assert video_only.work.contents[RunPaths(RUN).segment(0)] == kept.work.contents[RunPaths(RUN).segment(0)]
    lines = [json.loads(line) for line in video_only.logs.need(receipt_of(video_only).log).data.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2]


def test_records_are_written_in_order_with_receipt():
    storage = planned_with_script()
    score(storage, 1)
    receipt = receipt_of(storage, 1)
    assert (receipt.segment, receipt.frames) == (None, ())
    data = storage.work.need(receipt.records.name).data
    assert (receipt.records.size, receipt.records.sha256) == (len(data), sha256_of(data))
    lines = [json.loads(line) for line in data.splitlines()]
    assert [(line["frame"], line["seconds"]) for line in lines] == [(3, 0.12), (4, 0.16)]
    means = [np.asarray(draw(index, SIZE)).mean() for index in (3, 4)]
    assert [line["mean"] for line in lines] == pytest.approx(means, abs=2)
    assert storage.finished_batches.messages == [message(1)]


TELLS_ITS_CONTEXT = b"""
class Teller:
    def __init__(self, context):
        self.record = {"arguments": dict(context.arguments), "seed": context.seed}

    def describe(self, frames, moments):
        return [self.record] * len(frames)

def load(context):
    return Teller(context)
"""


def test_script_gets_arguments_and_seed():
    arguments = {"level": 3, "mode": "soft", "tint": True}
    storage = planned_with_script(TELLS_ITS_CONTEXT, listed=TELLS_ITS_CONTEXT, arguments=arguments, seed=7)
    score(storage, 1)
    lines = [json.loads(line) for line in storage.work.need(receipt_of(storage, 1).records.name).data.splitlines()]
    assert [(line["frame"], line["arguments"], line["seed"]) for line in lines] == [
        (3, arguments, 7),
        (4, arguments, 7),
    ]


def test_changed_program_is_not_run():
    storage = planned_with_script(b"raise SystemExit(0)")
    with pytest.raises(InputError, match="sha256"):
        score(storage)
    assert storage.work.contents == {}
