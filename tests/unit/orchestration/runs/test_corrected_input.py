"""A resubmission accepts corrected frames of batches that failed because of their input, and only those."""

import io

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.paths import RunPaths
from orchestration.app import image_of_copy
from orchestration.handlers.resubmit import resubmit
from orchestration.runs.advance import advance
from tests.support.clips import draw
from tests.support.fake_node import SIZE, fail, read_plan
from tests.support.world import World, frame


@pytest.fixture
def failed_run(world: World) -> str:
    """A run of three batches of two frames: the second failed because of a frame, the others are scored."""
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.deliver_messages(3)
    assert world.status(run_id) == "failed"
    return run_id


def planned_pins(world: World, run_id: str) -> InputPins:
    digest = str(read_plan(world.storage, run_id).inputs_sha256)
    return InputPins.load_stored(world.storage.runs.need(RunPaths(run_id).inputs(digest)).data)


def replace_frame(world: World, number: int) -> None:
    world.storage.input.write(f"clip/frames/{number:06d}.jpg", frame(40 + number))


def test_corrected_frame_costs_one_batch(world: World, failed_run: str) -> None:
    before = planned_pins(world, failed_run).frames
    receipts = {batch: world.storage.runs.need(RunPaths(failed_run).receipt(batch)).etag for batch in (0, 2)}
    replace_frame(world, 3)
    assert resubmit(world.app, failed_run, "missing") == failed_run
    after = planned_pins(world, failed_run).frames
    assert [index for index in range(6) if before[index] != after[index]] == [2]
    world.score(failed_run, 1, message=False)
    advance(world.app, failed_run)
    assert world.status(failed_run) == "finished"
    assert receipts == {b: world.storage.runs.need(RunPaths(failed_run).receipt(b)).etag for b in (0, 2)}


def test_corrected_frame_may_be_a_tiff_file(world: World) -> None:
    for number in range(6):
        world.storage.input.write(f"scan/frames/{number}.tif", tiff(number))
    run_id = world.fire_trigger(world.upload_trigger("scan", rate="25"))
    world.deliver_messages()
    world.score(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.deliver_messages(3)
    world.storage.input.write("scan/frames/3.tif", tiff(43))
    assert resubmit(world.app, run_id, "missing") == run_id
    world.score(run_id, 1, message=False)
    advance(world.app, run_id)
    assert world.status(run_id) == "finished"
    again = resubmit(world.app, run_id, "all")
    assert world.finish(again) == "finished"
    assert world.frame_count(again) == 6


def tiff(number: int) -> bytes:
    file = io.BytesIO()
    draw(number, SIZE).save(file, "TIFF")
    return file.getvalue()


def test_frame_can_be_corrected_twice(world: World, failed_run: str) -> None:
    for number in (3, 4):
        replace_frame(world, number)
        resubmit(world.app, failed_run, "failed")
        if number == 3:
            fail(world.storage, failed_run, 1)
            advance(world.app, failed_run)
            assert world.status(failed_run) == "failed"
    world.score(failed_run, 1, message=False)
    advance(world.app, failed_run)
    assert world.status(failed_run) == "finished"


@pytest.mark.parametrize("others", [(1,), (5,), (1, 5)])
def test_new_upload_of_other_frames_is_not_accepted(world: World, failed_run: str, others: tuple[int, ...]) -> None:
    before = read_plan(world.storage, failed_run)
    for number in (3, *others):
        replace_frame(world, number)
    resubmit(world.app, failed_run, "missing")
    assert read_plan(world.storage, failed_run) == before


def test_planted_receipt_is_not_kept(world: World, failed_run: str) -> None:
    names = RunPaths(failed_run)
    world.storage.runs.write(names.receipt(0), world.storage.runs.need(names.receipt(2)).data)
    replace_frame(world, 3)
    resubmit(world.app, failed_run, "missing")
    assert set(read_plan(world.storage, failed_run).kept_receipts) == {2}


def test_unchanged_input_keeps_the_plan(world: World, failed_run: str) -> None:
    before = read_plan(world.storage, failed_run)
    resubmit(world.app, failed_run, "missing")
    assert read_plan(world.storage, failed_run) == before


def test_frames_are_not_corrected_while_tasks_paint(world: World) -> None:
    """They go on with the earlier plan, and what they paint would not count."""
    run_id = world.start("clip")
    world.deliver_messages()
    fail(world.storage, run_id, 1)
    replace_frame(world, 3)
    before = read_plan(world.storage, run_id)
    with pytest.raises(InputError, match="going on"):
        resubmit(world.app, run_id, "failed")
    assert read_plan(world.storage, run_id) == before
    assert world.storage.runs.exists(RunPaths(run_id).failure("00001"))


def test_plan_made_of_an_earlier_version_gets_an_image_that_reads_it(world: World, failed_run: str) -> None:
    """The copy is written in today's form; the image that painted the first batches may not know it."""
    plan = read_plan(world.storage, failed_run).model_copy(update={"node_image": "impasto-node:old"})
    assert image_of_copy(world.app, plan) == "impasto-node:old"
    old = plan.model_copy(update={"version": 5})
    assert image_of_copy(world.app, old) == world.app.settings.node_image
