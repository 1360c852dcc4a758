"""Tasks write small pictures of some frames before and after painting, and the last one writes the sheet."""

import io
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from frame_tools.contracts.errors import TemporaryError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from scoring.tasks.pairs import CELL_WIDTH, LONGER_SIDE, STYLE_SIDE, PairWriter, cell, read_pairs, sheet, small_jpeg
from scoring.types import DecodedFrame, DeliveredFrame, FramePosition
from tests.support.scorer_runs import painting
from tests.support.scoring_tasks import BORDERS, RUN, planned, planned_with_painting, score

NAMES = RunPaths(RUN)


def stored_pairs(storage):
    return {item.name.removeprefix(NAMES.pairs) for item in storage.work.list(NAMES.pairs)}


def opened(data):
    return Image.open(io.BytesIO(data))


def plan_of(storage):
    return Plan.load_stored(storage.runs.need(NAMES.plan).data)


def test_last_batch_writes_the_sheet():
    storage = planned()
    score(storage, 0)
    assert stored_pairs(storage) == {f"{i:06d}-{side}.jpg" for i in (0, 1, 2) for side in ("before", "after")}
    score(storage, 1)
    assert len(stored_pairs(storage)) == 2 * BORDERS[-1] + 1
    assert opened(storage.work.need(NAMES.pair_sheet).data).format == "JPEG"


def test_pairs_are_written_while_their_batch_is_painted():
    storage = planned()
    submitted: list[Future[None]] = []

    def submit(write):
        submitted.append(Future())
        write()
        submitted[-1].set_result(None)
        return submitted[-1]

    pairs = PairWriter(storage, plan_of(storage), submit=submit)
    pairs.add(delivered(0))
    assert stored_pairs(storage) == {"000000-before.jpg", "000000-after.jpg"}
    before, after = (storage.work.need(NAMES.pair(0, side)).data for side in ("before", "after"))
    assert np.asarray(opened(before)).mean() == pytest.approx(100, abs=1)
    assert np.asarray(opened(after)).mean() == pytest.approx(200, abs=1)
    pairs.finish()
    assert len(submitted) == 1
    assert NAMES.pair_sheet not in storage.work.contents, "frames are missing"


def test_a_pair_that_cannot_be_written_fails_its_batch():
    def submit(_write):
        failed: Future[None] = Future()
        failed.set_exception(TemporaryError("storage is down", "wait"))
        return failed

    storage = planned()
    pairs = PairWriter(storage, plan_of(storage), submit=submit)
    pairs.add(delivered(0))
    with pytest.raises(TemporaryError):
        pairs.finish()


def test_pairs_that_a_task_has_written_are_not_read_again():
    storage = planned()
    own = dict.fromkeys(range(BORDERS[-1]), (b"before", b"after"))
    assert read_pairs(storage, plan_of(storage), own=own) == own


def delivered(index):
    """Return a gray frame and the lighter picture that is delivered for it."""
    picture, painted = (np.full((48, 64, 3), value, np.uint8) for value in (100, 200))
    decoded = DecodedFrame(
        position=FramePosition(index, 0.0), name="000001.jpg", picture=picture, alpha=None, working_picture=picture
    )
    return DeliveredFrame(decoded, painted)


def test_damaged_picture_of_another_batch_does_not_fail_the_last_one():
    storage = planned()
    score(storage, 0)
    storage.work.write(NAMES.pair(0, "after"), b"no picture")
    score(storage, 1)
    assert opened(storage.work.need(NAMES.pair_sheet).data).format == "JPEG"


def test_pictures_show_the_frame_before_and_after():
    storage = planned()
    score(storage, 0)
    before, after = (
        np.asarray(opened(storage.work.need(NAMES.pair(1, side)).data), np.int16) for side in ("before", "after")
    )
    assert np.abs(before - after).mean() < 3, "the scorer copies"
    first = np.asarray(opened(storage.work.need(NAMES.pair(0, "before")).data), np.int16)
    assert np.abs(before - first).mean() > 0, "frames differ"


def test_video_only_run_has_pictures():
    storage = planned(options={"video_only": True})
    score(storage, 0)
    assert len(stored_pairs(storage)) == 6


def test_run_that_redoes_a_part_uses_the_pairs_of_its_parent():
    storage = planned()
    score(storage, 0)
    score(storage, 1)
    child = plan_of(storage).model_copy(update={"run_id": "clip-ffffffffff", "parent": RUN, "redo": (1,)})
    assert len(read_pairs(storage, child, own={})) == BORDERS[-1]
    orphan = plan_of(storage).model_copy(update={"run_id": "clip-ffffffffff"})
    assert read_pairs(storage, orphan, own={}) == {}


def test_small_picture_keeps_its_shape():
    wide = opened(small_jpeg(np.zeros((300, 1920, 3), np.uint8)))
    assert wide.size == (LONGER_SIDE, 150)
    assert opened(small_jpeg(np.zeros((48, 64, 3), np.uint8))).size == (64, 48)


def test_sheet_has_four_columns():
    pair = (cell(small_jpeg(np.zeros((48, 64, 3), np.uint8))),) * 2
    eight, three = opened(sheet([pair] * 8)), opened(sheet([pair] * 3))
    assert eight.width == 4 * CELL_WIDTH + 3 * 6
    assert three.width == 3 * CELL_WIDTH + 2 * 6
    assert eight.height > 2 * three.height - 50


def test_first_task_writes_a_picture_of_the_painting():
    painted = plan_of(planned_with_painting())
    storage = planned(styles=painted.styles, key_styles=painted.key_styles)
    storage.work.write("style", painting())
    score(storage, 1)
    assert NAMES.style_picture not in storage.work.contents
    score(storage, 0)
    assert opened(storage.work.need(NAMES.style_picture).data).size == (STYLE_SIDE, 120)
