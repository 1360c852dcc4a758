"""Previews from the order to the end: one task for each, whatever dies, repeats or stays silent on the way."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import function_app
from frame_tools.contracts.calls import parse_body
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.preview_call import OrderPreview, PreviewAnswer
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import MAX_CLIP_BYTES, MAX_LOOKS, PreviewEnding
from frame_tools.storage.blobs import BlobInfo
from orchestration.azure_batch.in_memory import InMemoryBatch
from orchestration.azure_batch.task_spec import PREVIEW_TASK_ID
from orchestration.handlers.order_preview import order_preview
from orchestration.handlers.sweep import sweep
from orchestration.previews.answer import preview_answer
from orchestration.previews.decide import TIME_LIMIT, WAIT_LIMIT
from orchestration.previews.scheduling import begin_attempt, need_state
from orchestration.previews.slots import MAX_OPEN_PREVIEWS, read_slots
from tests.support.api_call import ApiCall, api_call
from tests.support.crash import SimulatedCrash, crash_after
from tests.support.interception import intercept
from tests.support.memory_world import InMemoryCloud, with_access_hook
from tests.support.preview_node import CLIP_FRAMES, fail_preview, finish_preview, paint_looks, read_order
from tests.support.world import World, painting

CALL: dict[str, Any] = {
    "input": "holiday",
    "clip": "holiday.mp4",
    "paintings": ["wave.png", "wheat.png"],
    "strengths": [1.0, 0.5],
    "strokes": ["medium", "fine"],
    "frames": 2,
}
LOOKS = 8


def upload(world: World, folder: str = "holiday") -> None:
    world.upload_files(folder, {"holiday.mp4": b"a clip", "wave.png": painting(), "wheat.png": painting()})


def order(world: World, **changes: Any) -> PreviewAnswer:
    return order_preview(world.app, OrderPreview.model_validate({**CALL, **changes}))


def tasks(world: World, preview: PreviewAnswer, attempt: int = 1) -> list[str]:
    return [task.task_id for task in world.app.batch.tasks(PreviewPaths(preview.preview_id).job_id(attempt))]


def end_task(world: World, preview: PreviewAnswer, *, succeeded: bool, attempt: int = 1) -> None:
    assert isinstance(world.app.batch, InMemoryBatch)
    jobs = world.app.batch.jobs.tasks[PreviewPaths(preview.preview_id).job_id(attempt)]
    jobs[PREVIEW_TASK_ID] = replace(
        jobs[PREVIEW_TASK_ID], state="completed", succeeded=succeeded, exit_code=0 if succeeded else 70
    )


def holds_nothing(world: World, preview: PreviewAnswer, attempts: int = 1) -> bool:
    names = PreviewPaths(preview.preview_id)
    open_jobs = [number for number in range(1, attempts + 1) if world.app.batch.job_is_open(names.job_id(number))]
    return not open_jobs and not read_slots(world.app)


def test_ordered_preview_is_painted_by_one_task(world: World) -> None:
    upload(world)
    preview = order(world)
    assert (preview.status, preview.done, len(preview.cells), len(preview.originals)) == ("waiting", 0, LOOKS, 2)
    assert preview.reason
    assert tasks(world, preview) == [PREVIEW_TASK_ID]
    paint_looks(world.storage, preview.preview_id, count=3)
    preview = preview_answer(world.app, preview.preview_id)
    assert (preview.status, preview.done) == ("painting", 3)
    assert [all(cell.pictures) for cell in preview.cells] == [True] * 3 + [False] * 5
    finish_preview(world.storage, preview.preview_id)
    preview = preview_answer(world.app, preview.preview_id)
    assert (preview.status, preview.done, preview.clip_frames, preview.seconds) == ("finished", LOOKS, CLIP_FRAMES, 6.4)
    assert (preview.clip_width, preview.clip_height) == (640, 360)
    medium, fine = preview.cells[0], preview.cells[-1]
    assert (medium.painting, medium.strength, medium.strokes) == ("wave.png", 1.0, "medium")
    assert (medium.run_seconds or 0) < (fine.run_seconds or 0)
    sweep(world.app)
    assert holds_nothing(world, preview)


def test_same_files_and_looks_are_the_same_preview(world: World) -> None:
    upload(world)
    first = order(world)
    assert order(world).preview_id == first.preview_id
    assert tasks(world, first) == [PREVIEW_TASK_ID]
    finish_preview(world.storage, first.preview_id)
    assert order(world).status == "finished"
    assert tasks(world, first, attempt=2) == []
    others = [order(world, frames=1), order(world, strengths=[1.0]), order(world, preserve_color="luma")]
    upload(world)  # other versions of the files
    sweep(world.app)
    ids = {first.preview_id, order(world).preview_id, *(other.preview_id for other in others)}
    assert len(ids) == 5


def test_task_names_only_ids_and_ends_before_its_job(world: World) -> None:
    upload(world)
    preview = order(world)
    assert isinstance(world.app.batch, InMemoryBatch)
    names = PreviewPaths(preview.preview_id)
    spec = world.app.batch.jobs.specs[names.job_id(1), PREVIEW_TASK_ID]
    assert spec.command == f"python -m scoring paint-preview --preview {preview.preview_id} --attempt 1"
    assert spec.limit * (spec.retries + 1) < TIME_LIMIT


def test_painting_that_is_replaced_meanwhile_is_not_read(world: World) -> None:
    upload(world)

    def info(original: Callable[[str], BlobInfo | None], name: str) -> BlobInfo | None:
        found = original(name)
        if name.endswith("wave.png"):
            world.storage.input.write(name, painting())
        return found

    with pytest.raises(InputError, match=r"wave\.png"):
        order(world.intercepted("input", info=info))


def test_late_handler_keeps_the_result_of_the_attempt_that_it_wanted_to_begin(world: World) -> None:
    upload(world)
    preview = order(world)
    unclaimed = replace(need_state(world.app, preview.preview_id), attempt=0)
    finish_preview(world.storage, preview.preview_id)
    begin_attempt(world.app, unclaimed)
    assert preview_answer(world.app, preview.preview_id).status == "finished"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"clip": "away.mp4"}, "away.mp4"),
        ({"paintings": ["away.png"]}, "away.png"),
        ({"paintings": ["holiday.mp4"]}, "holiday.mp4"),
        ({"input": "elsewhere"}, "elsewhere"),
    ],
)
def test_wrong_files_are_refused_and_leave_nothing(world: World, change: dict[str, Any], named: str) -> None:
    upload(world)
    with pytest.raises(InputError, match=named):
        order(world, **change)
    assert list(world.storage.runs.list("")) == []


def test_files_over_their_limits_are_refused(world: World) -> None:
    upload(world)
    with pytest.raises(InputError, match=r"wave\.png"):
        order(world.changed(max_style_bytes=10))

    def info(original: Any, name: str) -> Any:
        found = original(name)
        return replace(found, size=MAX_CLIP_BYTES + 1) if name.endswith(".mp4") else found

    with pytest.raises(InputError, match=r"holiday\.mp4"):
        order(world.intercepted("input", info=info))


@pytest.mark.parametrize(
    "change",
    [
        {"paintings": []},
        {"paintings": ["wave.png", "wave.png"]},
        {"paintings": [f"{number}.png" for number in range(7)]},
        {"strengths": [1.5]},
        {"strengths": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]},
        {"strokes": ["bold"]},
        {"frames": 4},
        {"frames": 0},
        {"clip": "../holiday.mp4"},
        {"more": 1},
        {
            "paintings": [f"{number}.png" for number in range(5)],
            "strengths": [0.2, 0.4, 0.6, 0.8, 1],
            "strokes": ["fine", "medium", "broad"],
        },
    ],
)
def test_orders_out_of_bounds_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        parse_body(OrderPreview, json.dumps({**CALL, **change}).encode())


def test_most_looks_are_accepted() -> None:
    most = {**CALL, "paintings": [f"{number}.png" for number in range(5)], "strengths": [0.25, 0.5, 0.75, 1.0]}
    accepted = OrderPreview.model_validate({**most, "strokes": ["fine", "medium", "broad"]})
    assert len(accepted.paintings) * len(accepted.strengths) * len(accepted.strokes) == MAX_LOOKS


@pytest.mark.parametrize("continues", ["caller", "sweep"])
def test_process_may_die_after_each_write(continues: str) -> None:
    """Whoever dies, the caller who asks again, or else the sweep, gets the preview painted once."""
    for writes in range(20):
        world = InMemoryCloud().world()
        upload(world)
        try:
            order_preview(crash_after(world.app, writes), OrderPreview.model_validate(CALL))
        except SimulatedCrash:
            was_killed = True
        else:
            was_killed = False
        # Without a claimed attempt, nobody was told of a preview: only the caller can go on.
        was_claimed = any("/attempts/" in item.name for item in world.storage.runs.list("previews/"))
        sweep(world.app)
        if continues == "caller" or not was_claimed:
            order(world)
        preview = order(world)
        assert tasks(world, preview) == [PREVIEW_TASK_ID]
        assert len(read_slots(world.app)) == 1
        finish_preview(world.storage, preview.preview_id)
        for more in range(6):
            try:
                sweep(crash_after(world.app, more))
            except (SimulatedCrash, ExceptionGroup):
                continue
        sweep(world.app)
        assert holds_nothing(world, preview)
        if not was_killed:
            return
    pytest.fail("ordering takes more writes than this test counts")


def test_deterministic_error_of_the_task_fails_the_preview(world: World) -> None:
    upload(world)
    preview = order(world)
    fail_preview(world.storage, preview.preview_id)
    failed = preview_answer(world.app, preview.preview_id)
    assert (failed.status, failed.reason, failed.remedy) == (
        "failed",
        "holiday.mp4 contains no frames",
        "Upload another clip",
    )
    assert (failed.code, failed.next_step) == ("invalid_input", "fix_input")
    sweep(world.app)
    assert holds_nothing(world, preview)
    again = order(world)
    assert (again.preview_id, again.status) == (preview.preview_id, "waiting")
    assert tasks(world, preview, attempt=2) == [PREVIEW_TASK_ID]


def test_passing_error_counts_once_the_task_has_ended(world: World) -> None:
    upload(world)
    preview = order(world)
    fail_preview(world.storage, preview.preview_id, permanent=False)
    assert preview_answer(world.app, preview.preview_id).status == "waiting"
    end_task(world, preview, succeeded=False)
    failed = preview_answer(world.app, preview.preview_id)
    assert (failed.status, failed.reason, failed.code) == ("failed", "holiday.mp4 contains no frames", "task_failed")


@pytest.mark.parametrize("succeeded", [True, False])
def test_task_that_leaves_nothing_fails_the_preview(world: World, succeeded: bool) -> None:
    upload(world)
    preview = order(world)
    end_task(world, preview, succeeded=succeeded)
    failed = preview_answer(world.app, preview.preview_id)
    assert (failed.status, failed.code, failed.next_step) == ("failed", "task_failed", "resubmit")
    assert "stderr.txt" in failed.remedy
    sweep(world.app)
    assert holds_nothing(world, preview)


@pytest.mark.parametrize("has_begun", [False, True])
def test_task_that_never_ends_fails_the_preview(world: World, has_begun: bool) -> None:
    upload(world)
    preview = order(world)
    if has_begun:
        paint_looks(world.storage, preview.preview_id, count=1)
    world.clock.advance(seconds=WAIT_LIMIT.total_seconds() - 60)
    sweep(world.app)
    assert preview_answer(world.app, preview.preview_id).status == ("painting" if has_begun else "waiting")
    world.clock.advance(seconds=(TIME_LIMIT - WAIT_LIMIT if has_begun else TIME_LIMIT * 0).total_seconds() + 120)
    failed = preview_answer(world.app, preview.preview_id)
    assert (failed.status, failed.code, failed.next_step) == ("failed", "temporary_failure", "retry_later")
    sweep(world.app)
    assert holds_nothing(world, preview)
    # The attempt stays failed, even if its task is still heard of.
    ending = world.storage.runs.need(PreviewPaths(preview.preview_id).ending(1)).data
    assert PreviewEnding.load_stored(ending).reason == failed.reason


def test_pool_that_can_paint_nothing_fails_the_preview(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload(world)
    monkeypatch.setattr(type(world.app.batch), "pool", lambda _: None)
    preview = order(world)
    assert (preview.status, preview.code, preview.next_step) == ("failed", "pool_unusable", "ask_operator")
    assert preview.remedy
    assert holds_nothing(world, preview)
    monkeypatch.undo()
    assert order(world).status == "waiting"


def test_number_of_open_previews_is_bounded(world: World) -> None:
    for number in range(MAX_OPEN_PREVIEWS + 1):
        upload(world, f"folder-{number}")
    opened = [order(world, input=f"folder-{number}") for number in range(MAX_OPEN_PREVIEWS)]
    late = {"input": f"folder-{MAX_OPEN_PREVIEWS}"}
    with pytest.raises(TemporaryError, match=str(MAX_OPEN_PREVIEWS)):
        order(world, **late)
    finish_preview(world.storage, opened[1].preview_id)
    assert order(world, **late).status == "waiting"  # no sweep has to come first
    assert len(read_slots(world.app)) == MAX_OPEN_PREVIEWS
    assert not world.app.batch.job_is_open(PreviewPaths(opened[1].preview_id).job_id(1))


def test_batch_that_does_not_answer_delays_the_preview(world: World) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise TemporaryError("Azure Batch did not answer", "Wait")

    upload(world)
    away = World(replace(world.app, batch=intercept(world.app.batch, ensure_job=refuse, tasks=refuse)))
    with pytest.raises(TemporaryError):
        order(away)
    (slot,) = read_slots(world.app).values()
    preview_id = slot.rpartition("-")[0]
    assert preview_answer(away.app, preview_id).status == "waiting"
    sweep(world.app)
    assert len(world.app.batch.tasks(slot)) == 1


@pytest.mark.parametrize("name", ["result", "error"])
@pytest.mark.parametrize("data", [b"{", b"[]", b"x" * 200_000, b'{"version": 9, "impasto_version": "99.0"}'])
def test_damaged_documents_of_the_node_count_as_missing(world: World, name: str, data: bytes) -> None:
    upload(world)
    preview = order(world)
    world.storage.work.write(getattr(PreviewPaths(preview.preview_id), name), data)
    assert preview_answer(world.app, preview.preview_id).status == "waiting"
    end_task(world, preview, succeeded=True)
    assert preview_answer(world.app, preview.preview_id).status == "failed"


def test_foreign_slot_is_freed(world: World) -> None:
    world.storage.runs.write("previews/slots/00", b"anything")
    world.storage.runs.write("previews/slots/01", b"preview-00000000000000000000-1")
    sweep(world.app)
    assert read_slots(world.app) == {}


@pytest.mark.parametrize("deleted", ["all", "one"])
def test_pictures_that_a_lifecycle_rule_deleted_are_painted_again(world: World, deleted: str) -> None:
    upload(world)
    preview = order(world)
    names = PreviewPaths(preview.preview_id)
    finish_preview(world.storage, preview.preview_id)
    sweep(world.app)
    for item in list(world.storage.work.list("")):
        if deleted == "all" or item.name == names.cell(3, 1):
            world.storage.work.delete(item.name)
    world.clock.advance(days=14)
    again = order(world)
    assert (again.preview_id, again.status) == (preview.preview_id, "waiting")
    assert tasks(world, preview, attempt=2) == [PREVIEW_TASK_ID]
    assert not world.storage.work.exists(names.result)
    finish_preview(world.storage, preview.preview_id)
    assert preview_answer(world.app, preview.preview_id).done == LOOKS


def test_order_that_was_not_begun_says_so(world: World) -> None:
    upload(world)
    with pytest.raises(SimulatedCrash):
        order_preview(crash_after(world.app, 1), OrderPreview.model_validate(CALL))
    (name,) = (item.name for item in world.storage.runs.list("previews/"))
    preview = preview_answer(world.app, name.split("/")[1])
    assert (preview.status, preview.next_step) == ("failed", "retry_later")


def test_order_names_what_is_painted(world: World) -> None:
    upload(world)
    preview = order(world)
    stored = read_order(world.storage, preview.preview_id)
    assert stored.preview_id == preview.preview_id
    assert [look.strokes for look in stored.looks] == ["medium"] * 4 + ["fine"] * 4


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> ApiCall:
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    return api_call


def test_preview_over_http(world: World, call: ApiCall) -> None:
    upload(world)
    status, ordered = call("POST", "/api/previews", CALL)
    assert (status, ordered["status"]) == (202, "waiting")
    finish_preview(world.storage, ordered["preview_id"])
    status, shown = call("GET", f"/api/previews/{ordered['preview_id']}")
    assert (status, shown["status"]) == (200, "finished")
    assert shown["cells"][0]["pictures"][1].endswith(f"/work/previews/{ordered['preview_id']}/00-1.jpg")
    assert call("GET", f"/api/previews/preview-{'0' * 20}")[0] == 404
    assert call("GET", "/api/previews/clip-0123456789")[0] == 400
    assert call("POST", "/api/previews", {**CALL, "clip": "away.mp4"})[0] == 400


def test_unknown_preview_is_missing(world: World) -> None:
    with pytest.raises(MissingError):
        preview_answer(world.app, f"preview-{'0' * 20}")


@pytest.mark.parametrize("other", ["order", "sweep"])
def test_another_handler_may_run_between_any_two_accesses(other: str) -> None:
    """Whatever comes in between, a preview has one open attempt with one task, and a place that is freed at its end."""
    for access in range(60):
        world = InMemoryCloud().world()
        upload(world)
        done = 0

        def interrupt(_accessed: str, _writes: bool, world: World = world, access: int = access) -> None:
            nonlocal done
            done += 1
            if done == access + 1:
                if other == "order":
                    order(world)
                else:
                    sweep(world.app)

        preview = order_preview(with_access_hook(world.app, interrupt), OrderPreview.model_validate(CALL))
        assert preview.status == "waiting"
        assert (tasks(world, preview), tasks(world, preview, attempt=2)) == ([PREVIEW_TASK_ID], [])
        assert set(read_slots(world.app).values()) == {PreviewPaths(preview.preview_id).job_id(1)}
        finish_preview(world.storage, preview.preview_id)
        sweep(world.app)
        assert holds_nothing(world, preview)
        if done <= access:
            return
    pytest.fail("ordering takes more accesses than this test counts")


def test_sweep_that_knows_an_old_attempt_leaves_the_new_one_alone(world: World) -> None:
    """A sweep has read that attempt 1 failed; before it frees the place, the preview is ordered again."""
    upload(world)
    preview = order(world)
    end_task(world, preview, succeeded=False)

    def order_first(original: Any, job_id: str, reason: str) -> None:
        order(world)
        original(job_id, reason)

    slow = replace(world.app, batch=intercept(world.app.batch, terminate_job=order_first))
    sweep(slow)
    assert set(read_slots(world.app).values()) == {PreviewPaths(preview.preview_id).job_id(2)}
    assert tasks(world, preview, attempt=2) == [PREVIEW_TASK_ID]


def test_place_of_an_older_attempt_is_freed(world: World) -> None:
    upload(world)
    preview = order(world)
    end_task(world, preview, succeeded=False)
    order(world)
    names = PreviewPaths(preview.preview_id)
    world.storage.runs.write("previews/slots/03", names.job_id(1).encode())
    sweep(world.app)
    assert list(read_slots(world.app).values()) == [names.job_id(2)]


def test_job_of_an_attempt_that_ended_meanwhile_is_terminated(world: World) -> None:
    """While the job is created, a sweep ends the attempt, and finds no job to terminate."""

    def end_first(original: Any, job_id: str, **options: Any) -> bool:
        world.clock.advance(seconds=TIME_LIMIT.total_seconds())
        sweep(world.app)
        return bool(original(job_id, **options))

    upload(world)
    slow = World(replace(world.app, batch=intercept(world.app.batch, ensure_job=end_first)))
    preview = order(slow)
    assert preview.status == "failed"
    assert holds_nothing(world, preview)
