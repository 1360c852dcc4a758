"""The task of a preview: pictures look by look, a result, recorded errors, and no write outside of its folder."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import OrderedFile, PreviewError, PreviewOrder, PreviewResult
from frame_tools.storage.in_memory import in_memory_storage
from scoring.preview.looks import LookPainter
from scoring.preview.task import CELL_WIDTH, PreviewTask, encode_cell, perform_preview
from tests.support.clips import Clip, make_clip

SIZE = (96, 64)


@pytest.fixture
def storage(tmp_path):
    storage = in_memory_storage()
    storage.input.upload_file("holiday/clip.mp4", make_clip(tmp_path / "clip.mp4", Clip(frames=6, size=SIZE)))
    rng = np.random.default_rng(3)
    for name in ("wave.png", "wheat.png"):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(out, "PNG")
        storage.input.write(f"holiday/{name}", out.getvalue())
    return storage


def ordered(storage, **changes) -> PreviewTask:
    def file(name):
        info = storage.input.info(f"holiday/{name}")
        return OrderedFile(blob=info.name, etag=info.etag)

    order = PreviewOrder(
        clip=file("clip.mp4"),
        paintings=(file("wave.png"), file("wheat.png")),
        strengths=(1.0, 0.0),
        strokes=("broad",),
        frames=2,
    ).model_copy(update=changes)
    storage.runs.write(PreviewPaths(order.preview_id).order, order.dumps())
    return PreviewTask(storage=storage, preview_id=order.preview_id, attempt=1)


def paint(task, weights) -> None:
    perform_preview(task, weights, started=0.0)


def read_error(task) -> PreviewError:
    return PreviewError.load_stored(task.storage.work.need(task.paths.error).data)


def pixels(data: bytes):
    return np.asarray(Image.open(io.BytesIO(data)), int)


def test_looks_are_written_one_after_the_other_and_the_result_last(storage, weights) -> None:
    task, written = ordered(storage), []

    def note(accessed, writes):
        if writes:
            written.append(accessed)

    watched = dataclasses.replace(
        storage,
        **{
            name: getattr(storage, name).with_hook(
                lambda accessed, writes: written.append(accessed) if writes else None
            )
            for name in ("input", "work", "output", "runs", "logs", "hashes")
        },
    )
    paint(dataclasses.replace(task, storage=watched), weights)
    names = task.paths
    expected = [names.original(0), names.original(1)]
    expected += [names.cell(look, frame) for look in range(4) for frame in range(2)]
    assert written == [f"work/{name}" for name in (*expected, names.result)]
    result = PreviewResult.load_stored(storage.work.need(names.result).data)
    assert (result.frames, result.clip_frames, result.width, result.height) == (2, 6, *SIZE)
    assert [seconds > 0 for seconds in result.look_seconds] == [True, False, True, False]
    original, full, none = (
        pixels(storage.work.need(name).data) for name in (names.original(0), names.cell(0, 0), names.cell(1, 0))
    )
    assert np.abs(original - none).mean() < 2 < np.abs(original - full).mean()


def test_task_that_runs_again_does_nothing_once_there_is_a_result(storage, weights, monkeypatch) -> None:
    task = ordered(storage)
    paint(task, weights)
    monkeypatch.setattr(LookPainter, "paint", None)
    paint(task, weights)


def test_ended_attempt_is_not_painted(storage, weights) -> None:
    task = ordered(storage)
    storage.runs.write(task.paths.ending(1), b"{}")
    paint(task, weights)
    assert not storage.work.exists(task.paths.result)


@pytest.mark.parametrize(
    ("name", "is_replaced", "code"), [("clip.mp4", True, "input_changed"), ("wave.png", False, "invalid_input")]
)
def test_replaced_and_deleted_files_are_permanent_errors(storage, weights, name, is_replaced, code) -> None:
    task, blob = ordered(storage), f"holiday/{name}"
    if is_replaced:
        storage.input.write(blob, storage.input.need(blob).data)
    else:
        storage.input.delete(blob)
    for _ in range(2):  # Batch tries again; the second try ends at once
        with pytest.raises(InputError, match=name):
            paint(task, weights)
    error = read_error(task)
    assert (error.permanent, error.attempt, error.code) == (True, 1, code)
    assert error.remedy


def test_clip_that_is_no_video_is_a_permanent_error(storage, weights) -> None:
    storage.input.write("holiday/clip.mp4", b"no video")
    task = ordered(storage)
    with pytest.raises(InputError, match=r"clip\.mp4"):
        paint(task, weights)
    assert read_error(task).permanent


def test_defect_is_recorded_and_may_be_tried_again(storage, weights, monkeypatch) -> None:
    task = ordered(storage)
    with monkeypatch.context() as patch:
        patch.setattr(LookPainter, "paint", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            paint(task, weights)
    error = read_error(task)
    assert (error.permanent, error.code) == (False, "unhandled_exception")
    paint(task, weights)
    assert storage.work.exists(task.paths.result)


def test_permanent_error_of_an_earlier_attempt_does_not_count(storage, weights) -> None:
    task = ordered(storage)
    error = PreviewError(attempt=1, reason="r", remedy="r", code="invalid_input", next_step="fix_input", permanent=True)
    storage.work.write(task.paths.error, error.dumps())
    with pytest.raises(InputError):
        paint(task, weights)
    paint(dataclasses.replace(task, attempt=2), weights)
    assert storage.work.exists(task.paths.result)


def test_cells_are_small() -> None:
    cell = Image.open(io.BytesIO(encode_cell(np.zeros((540, 960, 3), np.uint8))))
    assert cell.size == (CELL_WIDTH, 360)
