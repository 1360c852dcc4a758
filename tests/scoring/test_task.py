"""What a task promises: all it makes before the receipt, failures in words once, and nothing twice."""

import dataclasses
import io
import json
import time
from fractions import Fraction

import av
import numpy as np
import pytest
import safetensors.numpy
from azure.core.exceptions import ServiceRequestError
from PIL import Image

from benchmarks.memory_storage import MemoryContainer, memory_storage
from frame_tools.contracts.errors import DamagedError, ExitCode, InputError, InternalError, TemporaryError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedMask, PlannedProgram, PlannedStyle
from frame_tools.contracts.receipt import Failure, Receipt, TaskError
from frame_tools.contracts.scorers import SCORERS
from frame_tools.media.images import encode_jpeg, encode_png, read_rgb
from frame_tools.storage.blobs import sha256_of
from scoring.tasks.base import MAX_EXCEPTION_TEXT, UNHANDLED_EXIT_CODE, Task, perform
from scoring.tasks.score import score_batch
from tests.support.clips import draw, read_number
from tests.support.scorer_runs import painting

RUN = "clip-0123456789"
SIZE = (64, 48)
BORDERS = (0, 3, 5)


def planned(scorer="copy", *, image_format="jpg", options=None, **changes):
    """Return storage with five frames, numbered 0 to 4, planned as two batches."""
    storage = memory_storage()
    manifest = Manifest.plain(
        BORDERS[-1],
        Fraction(25),
        width=SIZE[0],
        height=SIZE[1],
        image_format=image_format,
        pattern="{:06d}." + image_format,
    )
    encode = encode_png if image_format == "png" else encode_jpeg
    for index in range(manifest.frame_count):
        storage.input.write(f"clip/frames/{manifest.frame_name(index)}", encode(draw(index, SIZE)))
    storage.runs.write(RunPaths(RUN).manifest, manifest.dumps())
    fields = {
        "run_id": RUN,
        "name": "clip",
        "correlation_id": RUN,
        "options": Options(**{"scorer": scorer, "temporal_smoothing": 0} | (options or {})),
        "borders": BORDERS,
        "manifest_sha256": sha256_of(manifest.dumps()),
        "frames": BlobRef(container="input", name="clip/frames/"),
        "weights_sha256": SCORERS[scorer].weights_sha256,
        "container": "mp4",
    }
    storage.runs.write(RunPaths(RUN).plan, Plan(**fields | changes).dumps())
    return storage


def planned_with_painting(**options):
    data = painting()
    style = PlannedStyle(
        name="swirls.png",
        blob=BlobRef(container="work", name="style"),
        sha256=sha256_of(data),
        kind="painting",
        width=400,
        height=300,
    )
    keys = (PlannedKeyframe(at=0, weights=(1.0,)),)
    storage = planned("any", styles=(style,), key_styles=keys, sample=(0, 2, 4), options=options)
    storage.work.write("style", data)
    return storage


def task_for(storage, batch=0):
    return Task(storage=storage, run_id=RUN, step=batch, task_id=f"b0000{batch}", dedicated=False)


def score(storage, batch=0, *, weights=None):
    perform(task_for(storage, batch), lambda task: score_batch(task, weights=weights, started=time.monotonic()))


def message(batch=0):
    return BatchMessage(run_id=RUN, batch=batch)


def receipt_of(storage, batch=0):
    return Receipt.load_stored(storage.runs.need(RunPaths(RUN).receipt(batch)).data)


def never(_task):
    pytest.fail("the work was begun")


class Journal(MemoryContainer):
    """A container that notes its writes in a list shared with others, and breaks at one of them."""

    def __init__(self, name, journal, breaks_at=None):
        super().__init__(name)
        self._journal, self._breaks_at = journal, breaks_at

    def _noted(self, name):
        if name == self._breaks_at:
            raise TemporaryError("The connection was lost", "Try again")
        self._journal.append(f"{self.name}/{name}")

    def write(self, name, data):
        self._noted(name)
        return super().write(name, data)

    def create(self, name, data):
        self._noted(name)
        return super().create(name, data)


def journaled(breaks_at=None):
    """Return planned storage that notes what a task writes, in order, and the list it notes it in."""
    storage, journal = planned(), []
    noted = {}
    for place in ("work", "logs", "runs"):
        container = Journal(place, journal, breaks_at)
        container.blobs.update(getattr(storage, place).blobs)
        noted[place] = container

    class Told(type(storage.finished_batches)):
        def send(self, message):
            journal.append("message")
            super().send(message)

    return dataclasses.replace(storage, **noted, finished_batches=Told()), journal


FRAME_BLOBS = [f"{RUN}/frames/00000{number}.jpg" for number in (1, 2, 3)]


def test_all_is_written_before_the_receipt_and_the_message_comes_last():
    storage, journal = journaled()
    score(storage)
    assert sorted(journal[:3]) == [f"work/{name}" for name in FRAME_BLOBS]
    assert journal[3:] == [
        f"work/{RunPaths(RUN).segment(0)}",
        f"logs/{RUN}/b00000.jsonl",
        f"runs/{RunPaths(RUN).receipt(0)}",
        "message",
    ]


@pytest.mark.parametrize("lost", [FRAME_BLOBS[1], RunPaths(RUN).segment(0), f"{RUN}/b00000.jsonl"])
def test_what_could_not_be_written_is_never_proved(lost):
    storage, journal = journaled(breaks_at=lost)
    with pytest.raises(TemporaryError):
        score(storage)
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))
    assert not storage.runs.exists(RunPaths(RUN).failure("00000")), "a passing trouble is tried again"
    assert "message" not in journal


def test_the_receipt_proves_what_lies_in_storage():
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


def test_frames_and_segment_hold_the_pictures_of_the_batch():
    storage = planned()
    score(storage, 1)
    stored = [read_rgb(storage.work.need(frame.name).data) for frame in receipt_of(storage, 1).frames]
    assert [read_number(image) for image in stored] == [3, 4]
    with av.open(io.BytesIO(storage.work.need(RunPaths(RUN).segment(1)).data)) as video:
        pictures = [frame.to_image() for frame in video.decode(video=0)]
    assert [picture.size for picture in pictures] == [SIZE, SIZE]
    assert [read_number(picture) for picture in pictures] == [3, 4]


def test_png_frames_come_back_bit_for_bit():
    storage = planned(image_format="png")
    score(storage)
    for index, frame in enumerate(receipt_of(storage).frames):
        assert frame.name.endswith(".png")
        assert read_rgb(storage.work.need(frame.name).data).tobytes() == draw(index, SIZE).tobytes()


def test_the_log_has_a_line_an_image():
    storage = planned()
    score(storage)
    lines = [json.loads(line) for line in storage.logs.need(receipt_of(storage).log).data.splitlines()]
    assert [(line["frame"], line["name"], line["batch"]) for line in lines] == [
        (index, f"00000{index + 1}.jpg", 0) for index in range(3)
    ]
    assert [line["bytes"] for line in lines] == [frame.size for frame in receipt_of(storage).frames]
    assert all(line[f"{what}_ms"] >= 0 for line in lines for what in ("load", "infer", "save", "segment"))


def test_the_same_batch_again_gives_the_same_bytes():
    first, second = planned(), planned()
    score(first)
    score(second)
    assert first.work.blobs == second.work.blobs


def test_a_batch_with_a_receipt_is_not_scored_again_but_told_of():
    storage = planned()
    score(storage)
    before = dict(storage.work.blobs), dict(storage.runs.blobs)
    perform(task_for(storage), never)
    assert (storage.work.blobs, storage.runs.blobs) == before
    assert storage.finished_batches.messages == [message(), message()]


@pytest.mark.parametrize("ended", [RunPaths(RUN).cancelled, RunPaths(RUN).outcome])
def test_a_run_that_has_ended_gets_no_work(ended):
    storage = planned()
    storage.runs.write(ended, b"")
    before = dict(storage.runs.blobs)
    perform(task_for(storage), never)
    assert (storage.runs.blobs, storage.work.blobs) == (before, {})
    assert storage.finished_batches.messages == []


def _cut_off(storage):
    name = "clip/frames/000002.jpg"
    storage.input.write(name, storage.input.need(name).data[:40])


def _no_picture(storage):
    storage.input.write("clip/frames/000002.jpg", b"no picture")


def _gone(storage):
    del storage.input.blobs["clip/frames/000002.jpg"]


def _other_size(storage):
    storage.input.write("clip/frames/000002.jpg", encode_jpeg(draw(1, (32, 48))))


@pytest.mark.parametrize("spoil", [_cut_off, _no_picture, _gone, _other_size])
def test_a_frame_that_cannot_be_used_ends_the_batch_once_in_words(spoil):
    storage = planned()
    spoil(storage)
    with pytest.raises(InputError, match=r"000002\.jpg") as first:
        score(storage)
    failure = Failure.load_stored(storage.runs.need(RunPaths(RUN).failure("00000")).data)
    assert (failure.reason, failure.remedy) == (first.value.what, first.value.remedy)
    assert (failure.step, failure.task_id) == ("00000", "b00000")
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))
    assert storage.finished_batches.messages == [message()]
    with pytest.raises(InputError) as second:
        perform(task_for(storage), never)
    assert str(second.value) == str(first.value)
    assert storage.finished_batches.messages == [message(), message()]
    score(storage, 1)
    assert receipt_of(storage, 1).end == 5, "the other batch is not held up"


def test_another_size_is_told_in_pixels():
    storage = planned()
    _other_size(storage)
    with pytest.raises(InputError, match=r"32x48.*64x48"):
        score(storage)


def test_a_manifest_other_than_the_planned_one_is_damage_and_no_fault_of_the_person():
    storage = planned()
    storage.runs.write(RunPaths(RUN).manifest, storage.runs.need(RunPaths(RUN).manifest).data + b"\n")
    with pytest.raises(DamagedError, match="manifest"):
        score(storage)
    assert not storage.runs.exists(RunPaths(RUN).failure("00000"))


def test_a_plan_for_other_weights_is_not_scored():
    storage = planned(weights_sha256="0" * 64)
    with pytest.raises(InternalError, match="one version"):
        score(storage)
    assert storage.work.blobs == {}


# What is tried again leaves its words, too.


def raising(error):
    def work(_task):
        raise error

    return work


def trouble_of(storage, step="00000"):
    return TaskError.load_stored(storage.runs.need(RunPaths(RUN).error(step)).data)


@pytest.mark.parametrize(
    ("error", "code", "reason", "remedy"),
    [
        (InternalError("The script failed", "Mend it"), ExitCode.INTERNAL, "The script failed", "Mend it"),
        (DamagedError("It is torn", "Do it again"), ExitCode.DAMAGED, "It is torn", "Do it again"),
        (TemporaryError("It is away", "Wait"), ExitCode.TEMPORARY, "It is away", "Wait"),
        (ServiceRequestError("no way"), ExitCode.TEMPORARY, "Storage does not answer as it should: no way", "Is it up"),
        (FileNotFoundError(2, "Not there", "w.pt"), ExitCode.INPUT, "w.pt can't be used (Not there)", "Give another"),
        (ValueError("two\nlines"), UNHANDLED_EXIT_CODE, "ValueError: two lines", "This is a bug"),
    ],
)
def test_what_is_tried_again_leaves_its_words_but_no_failure(error, code, reason, remedy):
    storage = planned()
    with pytest.raises(type(error)) as raised:
        perform(task_for(storage), raising(error))
    assert raised.value is error
    trouble = trouble_of(storage)
    assert (trouble.reason, trouble.exit_code, trouble.task_id, trouble.step) == (reason, code, "b00000", "00000")
    assert trouble.remedy.startswith(remedy)
    assert trouble.explains(task_id="b00000", exit_code=int(code))
    assert not storage.runs.exists(RunPaths(RUN).failure("00000"))
    assert storage.finished_batches.messages == []


def test_the_latest_trouble_counts_and_a_success_does_not_mind_it():
    storage = planned()
    for words in ("first", "second"):
        with pytest.raises(TemporaryError):
            perform(task_for(storage), raising(TemporaryError(words, "Wait")))
    assert trouble_of(storage).reason == "second"
    score(storage)
    assert receipt_of(storage).end == 3
    assert storage.finished_batches.messages == [message()]


def test_long_words_of_a_defect_are_cut():
    storage = planned()
    with pytest.raises(ValueError, match="x"):
        perform(task_for(storage), raising(ValueError("x" * 10_000)))
    assert len(trouble_of(storage).reason) == MAX_EXCEPTION_TEXT


def test_what_cannot_be_used_is_a_failure_and_no_trouble():
    storage = planned()
    with pytest.raises(InputError):
        perform(task_for(storage), raising(InputError("It is none", "Give another")))
    assert storage.runs.exists(RunPaths(RUN).failure("00000"))
    assert not storage.runs.exists(RunPaths(RUN).error("00000"))


def test_a_trouble_that_cannot_be_noted_does_not_hide_the_error(caplog):
    storage, _ = journaled(breaks_at=RunPaths(RUN).error("00000"))
    with pytest.raises(InternalError, match="The script failed"):
        perform(task_for(storage), raising(InternalError("The script failed", "Mend it")))
    assert "The connection was lost" in caplog.text


def test_a_script_that_raises_tells_its_line():
    broken = COUNTER.replace(b"frame.mean()", b"frame.meen()")
    storage = planned_with_script(broken, listed=broken)
    with pytest.raises(InternalError):
        score(storage)
    trouble = trouble_of(storage)
    assert "The program counter failed: line 4: AttributeError" in trouble.reason
    assert "put the trigger file again" in trouble.remedy


# The painting.


@pytest.fixture(scope="module")
def painted(weights):
    """Storage after the first of two tasks of the scorer `any`."""
    storage = planned_with_painting()
    score(storage, 0, weights=weights)
    return storage


PREPARED = RunPaths(RUN).prepared


def test_the_first_task_keeps_what_all_share_and_paints(painted):
    prepared = safetensors.numpy.load(painted.runs.need(PREPARED).data)
    assert set(prepared) == {"styles", "statistics"}
    assert all(np.isfinite(values).all() for values in prepared.values())
    image = np.asarray(read_rgb(painted.work.need(f"{RUN}/frames/000001.jpg").data), int)
    assert abs(image - np.asarray(draw(0, SIZE), int)).mean() > 10, "the frame was repainted"


def test_the_second_task_uses_what_the_first_has_kept(painted, weights):
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


def test_all_tasks_prepare_alike(painted, weights):
    storage = planned_with_painting()
    score(storage, 1, weights=weights)
    assert storage.runs.need(PREPARED).data == painted.runs.need(PREPARED).data


def test_a_painting_other_than_the_planned_one_is_not_used(weights):
    storage = planned_with_painting()
    storage.work.write("style", encode_png(Image.new("RGB", (80, 60), "blue")))
    with pytest.raises(DamagedError, match=r"swirls\.png"):
        score(storage, weights=weights)
    assert not storage.runs.exists(PREPARED)


def test_the_receipt_tells_versions_and_steadiness(painted):
    receipt = receipt_of(painted)
    assert {"impasto", "torch", "numpy", "av"} <= set(receipt.versions)
    assert receipt.bad_frames == ()


def _otherwise(data):
    values = safetensors.numpy.load(data)
    return safetensors.numpy.save(values | {"styles": -values["styles"]})


# Controls reach the frames.


def delivered(storage, index, batch=0, **more):
    score(storage, batch, **more)
    return np.asarray(read_rgb(storage.work.need(f"{RUN}/frames/{index + 1:06d}.png").data), int)


def test_a_mask_says_where_to_paint(weights):
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


def test_frames_are_scored_small_and_delivered_large(weights):
    small, full = (
        delivered(planned_as_png(**words), 0, weights=weights) for words in ({"size": 24}, {"strength": 1.0})
    )
    assert small.shape == full.shape == (SIZE[1], SIZE[0], 3)
    assert abs(small - full).mean() > 2


def test_a_border_between_batches_shows_no_more_than_any_other_step(weights):
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


def test_a_run_may_keep_its_video_only():
    kept, video_only = planned(), planned(options={"video_only": True})
    for storage in (kept, video_only):
        score(storage)
    assert receipt_of(video_only).frames == ()
    assert set(video_only.work.blobs) == {RunPaths(RUN).segment(0)}
    assert video_only.work.blobs[RunPaths(RUN).segment(0)] == kept.work.blobs[RunPaths(RUN).segment(0)]
    lines = [json.loads(line) for line in video_only.logs.need(receipt_of(video_only).log).data.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2]


# Records.

COUNTER = b"""
class Counter:
    def describe(self, frames, moments):
        return [{"mean": float(frame.mean())} for frame in frames]

def load(context):
    return Counter()
"""


def planned_with_script(data=COUNTER, *, listed=COUNTER, **options):
    """Plan a run with the script `listed`, and store `data` as its file."""
    program = PlannedProgram(name="counter", file="counter.py", sha256=sha256_of(listed), kind="script")
    storage = planned("script", options={"program": "counter", **options}, program=program, makes="records")
    storage.scripts.write("counter.py", data)
    return storage


def test_records_are_written_in_order_and_proved():
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
        self.record = {"said": dict(context.arguments), "seed": context.seed}

    def describe(self, frames, moments):
        return [self.record] * len(frames)

def load(context):
    return Teller(context)
"""


def test_a_script_gets_the_runs_arguments_and_seed():
    arguments = {"level": 3, "mode": "soft", "tint": True}
    storage = planned_with_script(TELLS_ITS_CONTEXT, listed=TELLS_ITS_CONTEXT, arguments=arguments, seed=7)
    score(storage, 1)
    lines = [json.loads(line) for line in storage.work.need(receipt_of(storage, 1).records.name).data.splitlines()]
    assert [(line["frame"], line["said"], line["seed"]) for line in lines] == [(3, arguments, 7), (4, arguments, 7)]


def test_a_program_other_than_the_planned_one_is_never_run():
    storage = planned_with_script(b"raise SystemExit(0)")
    with pytest.raises(InputError, match="sha256"):
        score(storage)
    assert storage.work.blobs == {}
