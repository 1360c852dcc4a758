"""Resubmission: `missing` and `failed` resume the run, `all` and batch numbers create a new one."""

import pytest

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.receipts import read_receipt
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import Which, parse_resubmit_request, resubmit
from tests.support.fake_node import fail, read_plan, split
from tests.support.world import World, in_parallel, message, painting


@pytest.fixture
def failed_run(world: World) -> str:
    """A run of three batches of which the middle one failed."""
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.deliver_messages()
    assert world.status(run_id) == "failed"
    return run_id


@pytest.mark.parametrize("which", ["missing", "failed"])
def test_resume_scores_missing_batches_only(world: World, failed_run: str, which: Which) -> None:
    kept = [world.storage.runs.need(RunPaths(failed_run).receipt(batch)) for batch in (0, 2)]
    assert resubmit(world.app, failed_run, which) == failed_run
    assert (world.status(failed_run), world.status_document(failed_run)["failures"]) == ("scoring", {})
    assert sorted(world.tasks(failed_run, 1)) == ["b00001"]
    world.score(failed_run, 1)
    world.deliver_messages()
    assert (world.status(failed_run), world.frame_count(failed_run)) == ("finished", 6)
    assert [world.storage.runs.need(RunPaths(failed_run).receipt(batch)) for batch in (0, 2)] == kept
    assert world.is_released(failed_run)
    assert world.report(failed_run)["status"] == "finished"


def test_concurrent_resumes_submit_each_batch_once(world: World, failed_run: str) -> None:
    in_parallel([lambda: resubmit(world.app, failed_run, "missing")] * 3)
    jobs = [name for name in world.runs_blobs(failed_run) if name.startswith("jobs/")]
    living = [task for n in range(len(jobs)) if world.job_is_open(failed_run, n) for task in world.tasks(failed_run, n)]
    assert living == ["b00001"]
    assert world.finish(failed_run) == "finished"


def test_resume_of_open_run_keeps_active_tasks(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    tasks = world.tasks(run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.tasks(run_id) == tasks
    assert world.finish(run_id) == "finished"


def test_resume_of_finished_run_has_no_effect(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.video(run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert (world.runs_blobs(run_id), world.video(run_id)) == before


def test_resume_retries_failed_join(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)
    fail(world.storage, run_id, "join")
    world.deliver_messages()
    assert world.status(run_id) == "failed"
    resubmit(world.app, run_id, "failed")
    assert world.status(run_id) == "finished"


def test_resume_retries_failed_split(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    fail(world.storage, run_id, "split")
    world.deliver_messages()
    assert world.status(run_id) == "failed"
    resubmit(world.app, run_id, "missing")
    assert (world.status(run_id), sorted(world.tasks(run_id, 1))) == ("splitting", ["split"])


def test_rerun_of_all_batches_is_a_new_run(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    before = world.runs_blobs(old), world.video(old)
    new = resubmit(world.app, old, "all")
    assert new != old
    assert (world.status_document(new)["parent"], read_plan(world.storage, new).redo) == (old, (0, 1, 2))
    assert world.finish(new) == "finished"
    assert world.video(new) == before[1], "the same plan produces the same bytes"
    assert (world.runs_blobs(old) - {"child-runs/001"}, world.video(old)) == before


def test_rerun_of_one_batch_reuses_other_segments(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    new = resubmit(world.app, old, [1, 1])
    world.deliver_messages()
    assert sorted(world.tasks(new)) == ["b00001"], "the other batches are not scored"
    assert read_receipt(world.storage, new, 0).segment.name == RunPaths(old).segment(0)
    world.score(new, 1)
    world.deliver_messages()
    assert world.status(new) == "finished", "its one message is the last one: no sweep is needed"
    assert read_receipt(world.storage, new, 1).segment.name == RunPaths(new).segment(1)
    assert (world.video(new), world.frame_count(new)) == (world.video(old), 6)


def test_reused_batch_with_missing_files_is_scored_again(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    new = resubmit(world.app, old, [1])
    world.storage.work.delete(RunPaths(old).segment(2))
    world.deliver_messages()
    world.score(new, 1)
    world.deliver_messages()
    assert sorted(world.tasks(new)) == ["b00001", "b00002"]
    world.score(new, 2)
    world.deliver_messages()
    assert (world.status(new), world.frame_count(new)) == ("finished", 6)


def test_rerun_of_a_rerun(world: World) -> None:
    first = world.start("clip")
    world.finish(first)
    second = resubmit(world.app, first, [0])
    world.finish(second)
    third = resubmit(world.app, second, [2])
    assert world.finish(third) == "finished"
    owners = [read_receipt(world.storage, third, batch).run_id for batch in range(3)]
    assert owners == [second, first, third]
    assert world.video(third) == world.video(first)


def test_concurrent_reruns_create_one_run_each(world: World) -> None:
    old = world.start("clip", 2)
    world.finish(old)
    reruns = in_parallel([lambda: resubmit(world.app, old, "all")] * 3)
    assert len(set(reruns)) == 3
    assert {world.finish(run_id) for run_id in reruns} == {"finished"}


@pytest.mark.parametrize("batches", [[], [3], [-1], [0, 99], [10**30]])
def test_rerun_rejects_unknown_batches(world: World, batches: list[int]) -> None:
    run_id = world.start("clip")
    with pytest.raises(InputError, match="0 to 2") as raised:
        resubmit(world.app, run_id, batches)
    assert raised.value.remedy


def test_rerun_rejects_missing_reused_batch(world: World, failed_run: str) -> None:
    with pytest.raises(InputError, match="Batch 1") as raised:
        resubmit(world.app, failed_run, [0])
    assert "missing" in raised.value.remedy
    assert resubmit(world.app, failed_run, [1]) != failed_run


def test_resubmit_rejects_refused_run(world: World) -> None:
    before = world.fire_trigger(world.upload_trigger("clip", b"not JSON"))
    with pytest.raises(MissingError, match="trigger"):
        resubmit(world.app, before, "missing")
    planned = world.fire_trigger(world.upload_trigger("empty"))
    with pytest.raises(InputError, match="no frames") as raised:
        resubmit(world.app, planned, "missing")
    assert "trigger" in raised.value.remedy
    with pytest.raises(InputError):
        resubmit(world.app, planned, "all")


def test_resume_of_cancelled_run_without_plan(world: World) -> None:
    single = world.changed(max_open_runs=0)
    run_id = single.start("clip")
    cancel(single.app, run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.finish(run_id) == "finished"


def test_resumed_run_waits_for_a_slot(world: World, failed_run: str) -> None:
    single = world.changed(max_open_runs=1)
    other = single.start("other", 2)
    resubmit(single.app, failed_run, "missing")
    assert single.status(failed_run) == "waiting"
    single.finish(other)
    assert single.status(failed_run) == "scoring"


def test_old_messages_do_not_affect_resumed_run(world: World, failed_run: str) -> None:
    resubmit(world.app, failed_run, "missing")
    for batch in (0, 1, 2):
        finish_batch(world.app, message(failed_run, batch))
    assert world.status(failed_run) == "scoring"
    assert world.finish(failed_run) == "finished"


@pytest.mark.parametrize(
    ("body", "which"),
    [
        (b"", "missing"),
        (b"  \n", "missing"),
        (b"missing", "missing"),
        (b'"failed"', "failed"),
        (b" all ", "all"),
        (b"[0, 3]", [0, 3]),
        (b"[]", []),
        (b"{}", "missing"),
        (b'{"which": "all"}', "all"),
        (b' {"which": [0, 3]}', [0, 3]),
    ],
)
def test_parse_valid_bodies(body: bytes, which: object) -> None:
    request = parse_resubmit_request(body)
    assert (request.which, request.options) == (which, {})


@pytest.mark.parametrize(
    "body",
    [
        b"everything",
        b'{"which": "some"}',
        b'{"which": [true]}',
        b"[true]",
        b"[1.5]",
        b'["1"]',
        b"[1",
        b"3",
        b"\xff",
        b"[" * 9000,
        b'"',
    ],
)
def test_parse_rejects_invalid_bodies(body: bytes) -> None:
    with pytest.raises(InputError, match="body") as raised:
        parse_resubmit_request(body)
    assert "missing, failed, all" in raised.value.remedy
    assert len(str(raised.value)) < 300


def test_rerun_with_options_uses_the_same_input(world: World) -> None:
    world.storage.input.write("clip/sea.png", painting())
    old = world.start("clip", scorer="any", style="sea.png", strength=0.8, size=480)
    assert world.finish(old) == "finished"
    world.storage.input.write("clip/sea.png", b"another painting")
    before = world.runs_blobs(old), world.video(old)
    new = resubmit(world.app, old, "all", {"strength": 0.5, "size": None, "style_scale": 2, "frames_per_batch": 4})
    assert new != old
    first, second = read_plan(world.storage, old), read_plan(world.storage, new)
    assert (second.options.strength, second.options.size, second.options.strokes) == (0.5, None, 2)
    assert (first.borders, second.borders) == ((0, 2, 4, 6), (0, 3, 6))
    assert (second.parent, second.scored) == (None, (0, 1))
    assert (second.frames, second.manifest_sha256) == (first.frames, first.manifest_sha256)
    (style,) = second.styles
    assert style.blob.name.startswith(f"{new}/"), "its own copy of the original painting"
    assert world.storage.work.need(style.blob.name).data == painting()
    assert (world.status_document(new)["parent"], world.status_document(new)["options"]["strength"]) == (old, 0.5)
    assert world.finish(new) == "finished"
    assert world.frame_count(new) == 6
    assert (world.runs_blobs(old) - {"child-runs/001"}, world.video(old)) == before


def test_rerun_with_options_does_not_split_again(world: World) -> None:
    old = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    split(world.storage, old, 4)
    world.deliver_messages()
    assert world.finish(old) == "finished"
    new = resubmit(world.app, old, "all", {"scorer": "describe"})
    assert world.finish(new) == "finished"
    assert "split" not in world.tasks(new)
    assert world.status_document(new)["records"] == f"output/{new}/records.jsonl"
    again = resubmit(world.app, new, "all", {"scorer": "copy"})
    assert world.finish(again) == "finished"
    assert world.frame_count(again) == 4


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"strength": 2}, "strength"),
        ({"scorer": "any"}, "style is missing"),
        ({"scorer": "script"}, "program is missing"),
        ({"size": 480, "style_scale": 1}, "size or strokes"),
    ],
)
def test_rerun_rejects_conflicting_options(world: World, options: dict[str, object], fragment: str) -> None:
    run_id = world.start("clip")
    with pytest.raises(InputError, match=fragment):
        resubmit(world.app, run_id, "all", options)
    assert "child-runs/001" not in world.runs_blobs(run_id)


def test_rerun_with_options_needs_a_plan(world: World) -> None:
    with pytest.raises(InputError, match="no plan"):
        resubmit(world.app, world.fire_trigger(world.upload_video()), "all", {"strength": 0.5})


@pytest.mark.parametrize(
    ("body", "fragment"),
    [
        (b'{"options": {"strength": 0.5}}', "all"),
        (b'{"which": "failed", "options": {"strength": 0.5}}', "all"),
        (b'{"which": [0], "options": {"strength": 0.5}}', "all"),
        (b'{"which": "all", "options": {"strenght": 0.5}}', "did you mean 'strength'"),
        (b'{"which": "all", "options": {"style": "a.jpg"}}', "'style'"),
        (b'{"which": "all", "option": {}}', "did you mean 'options'"),
        (b'{"which": "all", "options": []}', "options"),
        (b'{"which": "all"', "not JSON"),
        (b'{"options": {"program": "' + b"x" * 70_000 + b'"}}', "70"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_parse_rejects_invalid_options(body: bytes, fragment: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_resubmit_request(body)
    assert fragment in str(raised.value)
    assert len(str(raised.value)) < 400


def test_parse_body_with_options() -> None:
    request = parse_resubmit_request(b'{"which": "all", "options": {"strength": 0.5, "size": null}}')
    assert (request.which, request.options) == ("all", {"strength": 0.5, "size": None})
