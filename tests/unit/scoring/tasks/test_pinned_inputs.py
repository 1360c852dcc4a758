"""A task uses the versions of frames and masks that its run was planned with, and no others."""

import json
from pathlib import Path

import pytest

from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedMask
from frame_tools.contracts.receipt import Failure
from frame_tools.media.images import encode_jpeg, encode_png
from frame_tools.storage.pins import pin_of, store_pins
from scoring.tasks.score import open_scoring
from tests.support.clips import draw
from tests.support.scoring_tasks import BORDERS, RUN, SIZE, planned, receipt_of, score, task_for

WEIGHTS = Path("unused")
FRAME = "clip/frames/000002.jpg"
ORIGINAL = encode_jpeg(draw(1, SIZE))
OTHER = encode_jpeg(draw(900, SIZE))


def pinned(*, masks=False, with_md5=True, **changes):
    """Return storage with a planned run whose plan pins its frames, and its masks if it has any."""
    if masks:
        changes["mask"] = PlannedMask(blob=BlobRef(container="input", name="clip/masks/"), kind="folder", suffix=".png")
    storage = planned(**changes)
    for index in range(BORDERS[-1] if masks else 0):
        storage.input.write(f"clip/masks/{index + 1:06d}.png", encode_png(draw(index, SIZE)))

    def pins(folder):
        items = storage.input.list(folder)
        return tuple(pin_of(item if with_md5 else without_md5(item)) for item in items)

    inputs = InputPins(run_id=RUN, frames=pins("clip/frames/"), masks=pins("clip/masks/"))
    store_pins(storage.runs, inputs)
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    storage.runs.write(RunPaths(RUN).plan, plan.model_copy(update={"inputs_sha256": inputs.digest}).dumps())
    return storage


def without_md5(item):
    return type(item)(**{**{name: getattr(item, name) for name in item.__dataclass_fields__}, "md5": None})


@pytest.mark.parametrize("with_md5", [True, False])
def test_planned_frames_are_scored(with_md5):
    storage = pinned(with_md5=with_md5)
    score(storage)
    assert receipt_of(storage).batch == 0


@pytest.mark.parametrize("with_md5", [True, False])
def test_replaced_frame_is_refused(with_md5):
    storage = pinned(with_md5=with_md5)
    storage.input.write(FRAME, OTHER)
    with pytest.raises(InputError, match=r"000002\.jpg"):
        score(storage)
    failure = Failure.load_stored(storage.runs.need(RunPaths(RUN).failure("00000")).data)
    assert (failure.code, failure.next_step) == (ErrorCode.INPUT_CHANGED, NextStep.RESUBMIT)
    assert not storage.runs.exists(RunPaths(RUN).receipt(0))


def test_same_frame_may_be_uploaded_again():
    storage = pinned()
    storage.input.write(FRAME, OTHER)
    storage.input.write(FRAME, ORIGINAL)
    score(storage)
    assert receipt_of(storage).batch == 0


def test_replaced_warm_up_frame_is_refused():
    storage = pinned(options={"temporal_smoothing": 0.5})
    storage.input.write(FRAME, OTHER)
    with pytest.raises(InputError, match=r"000002\.jpg"):
        score(storage, 1)


def test_replaced_mask_is_refused():
    storage = pinned(masks=True)
    score(storage, 1)
    storage.input.write("clip/masks/000002.png", encode_png(draw(900, SIZE)))
    with pytest.raises(InputError, match=r"000002\.png"):
        score(storage, 0)


def test_mounted_frames_are_compared_too(tmp_path):
    storage = pinned()
    folder = tmp_path / "input" / "clip" / "frames"
    folder.mkdir(parents=True)
    for item in storage.input.list("clip/frames/"):
        (tmp_path / "input" / item.name).write_bytes(storage.input.need(item.name).data)
    environ = {"STORAGE_MODE": "mount", "AZ_BATCH_NODE_MOUNTS_DIR": str(tmp_path)}
    task = task_for(storage)
    object.__setattr__(task, "environ", environ)
    score_one(task)
    (folder / "000004.jpg").write_bytes(OTHER)
    other = task_for(storage, 1)
    object.__setattr__(other, "environ", environ)
    with pytest.raises(InputError, match=r"000004\.jpg"):
        score_one(other)


def score_one(task):
    with open_scoring(task, weights=WEIGHTS, started=0) as score_batches:
        score_batches([task.step])


@pytest.mark.parametrize("damage", ["deleted", "changed"])
def test_pins_must_be_the_planned_ones(damage):
    storage = pinned()
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    name = RunPaths(RUN).inputs(str(plan.inputs_sha256))
    fields = json.loads(storage.runs.need(name).data)
    storage.runs.delete(name)
    if damage == "changed":
        fields["frames"][0] = "etag:0xPLANTED"
        storage.runs.write(name, json.dumps(fields).encode())
    with pytest.raises(DamagedError):
        score(storage)


def test_plan_without_pins_is_scored_and_logged(caplog):
    score(planned())
    assert "earlier version" in caplog.text
