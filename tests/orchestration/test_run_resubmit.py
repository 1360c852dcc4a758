"""A person's second chance: what is missing or failed goes on in the run, the rest makes a new one."""

import pytest

from frame_tools.assembly import read_receipt
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import parse_resubmit_request, resubmit
from tests.support.fake_node import fail, read_plan, split
from tests.support.world import World, in_parallel, message, painting


@pytest.fixture
def failed(world: World) -> str:
    """A run of three batches of which the middle one failed."""
    run_id = world.start("clip")
    world.pump()
    world.paint(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.pump()
    assert world.status(run_id) == "failed"
    return run_id


@pytest.mark.parametrize("which", ["missing", "failed"])
def test_only_what_is_missing_is_scored_again(world: World, failed: str, which: str) -> None:
    kept = [world.storage.runs.need(RunPaths(failed).receipt(batch)) for batch in (0, 2)]
    assert resubmit(world.app, failed, which) == failed
    assert (world.status(failed), world.described(failed)["failures"]) == ("scoring", {})
    assert sorted(world.tasks(failed, 1)) == ["b00001"]
    world.paint(failed, 1)
    world.pump()
    assert (world.status(failed), world.frame_count(failed)) == ("finished", 6)
    assert [world.storage.runs.need(RunPaths(failed).receipt(batch)) for batch in (0, 2)] == kept
    assert world.is_let_go(failed)
    assert world.report(failed)["status"] == "finished"


def test_missing_twice_at_once_places_each_batch_once(world: World, failed: str) -> None:
    in_parallel([lambda: resubmit(world.app, failed, "missing")] * 3)
    jobs = [name for name in world.runs_blobs(failed) if name.startswith("jobs/")]
    living = [task for n in range(len(jobs)) if world.job_is_open(failed, n) for task in world.tasks(failed, n)]
    assert living == ["b00001"]
    assert world.finish(failed) == "finished"


def test_missing_of_a_run_under_way_leaves_living_tasks_alone(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    tasks = world.tasks(run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.tasks(run_id) == tasks
    assert world.finish(run_id) == "finished"


def test_missing_of_a_finished_run_changes_nothing(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.video(run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert (world.runs_blobs(run_id), world.video(run_id)) == before


def test_a_join_that_failed_is_tried_again(world: World) -> None:
    run_id = world.start("clip", 2)
    world.pump()
    world.paint(run_id, message=False)
    fail(world.storage, run_id, "join")
    world.pump()
    assert world.status(run_id) == "failed"
    resubmit(world.app, run_id, "failed")
    assert world.status(run_id) == "finished"


def test_a_split_that_failed_is_tried_again(world: World) -> None:
    run_id = world.fire(world.put_film())
    world.pump()
    fail(world.storage, run_id, "split")
    world.pump()
    assert world.status(run_id) == "failed"
    resubmit(world.app, run_id, "missing")
    assert (world.status(run_id), sorted(world.tasks(run_id, 1))) == ("splitting", ["split"])


def test_all_makes_a_new_run_and_leaves_the_old_one(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    before = world.runs_blobs(old), world.video(old)
    new = resubmit(world.app, old, "all")
    assert new != old
    assert (world.described(new)["parent"], read_plan(world.storage, new).redo) == (old, (0, 1, 2))
    assert world.finish(new) == "finished"
    assert world.video(new) == before[1], "the same plan gives the same bytes"
    assert (world.runs_blobs(old) - {"child-runs/001"}, world.video(old)) == before


def test_named_batches_keep_the_segments_of_the_others(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    new = resubmit(world.app, old, [1, 1])
    world.pump()
    assert sorted(world.tasks(new)) == ["b00001"], "the others are not scored"
    assert read_receipt(world.storage, new, 0).segment.name == RunPaths(old).segment(0)
    world.paint(new, 1)
    world.pump()
    assert world.status(new) == "finished", "the one message is the last: no sweep is needed"
    assert read_receipt(world.storage, new, 1).segment.name == RunPaths(new).segment(1)
    assert (world.video(new), world.frame_count(new)) == (world.video(old), 6)


def test_a_kept_batch_whose_files_are_gone_is_scored_after_all(world: World) -> None:
    old = world.start("clip")
    world.finish(old)
    new = resubmit(world.app, old, [1])
    world.storage.work.delete(RunPaths(old).segment(2))
    world.pump()
    world.paint(new, 1)
    world.pump()
    assert sorted(world.tasks(new)) == ["b00001", "b00002"]
    world.paint(new, 2)
    world.pump()
    assert (world.status(new), world.frame_count(new)) == ("finished", 6)


def test_a_run_made_of_a_run_can_be_redone_again(world: World) -> None:
    first = world.start("clip")
    world.finish(first)
    second = resubmit(world.app, first, [0])
    world.finish(second)
    third = resubmit(world.app, second, [2])
    assert world.finish(third) == "finished"
    owners = [read_receipt(world.storage, third, batch).run_id for batch in range(3)]
    assert owners == [second, first, third]
    assert world.video(third) == world.video(first)


def test_all_several_times_at_once_makes_as_many_runs(world: World) -> None:
    old = world.start("clip", 2)
    world.finish(old)
    made = in_parallel([lambda: resubmit(world.app, old, "all")] * 3)
    assert len(set(made)) == 3
    assert {world.finish(run_id) for run_id in made} == {"finished"}


@pytest.mark.parametrize("batches", [[], [3], [-1], [0, 99], [10**30]])
def test_batches_that_are_not_there_are_refused_in_words(world: World, batches: list[int]) -> None:
    run_id = world.start("clip")
    with pytest.raises(InputError, match="batches 0 to 2") as raised:
        resubmit(world.app, run_id, batches)
    assert raised.value.remedy


def test_a_batch_to_be_kept_must_be_there(world: World, failed: str) -> None:
    with pytest.raises(InputError, match="Batch 1 is to be kept") as raised:
        resubmit(world.app, failed, [0])
    assert "missing" in raised.value.remedy
    assert resubmit(world.app, failed, [1]) != failed


def test_a_refused_run_is_refused_again_in_words(world: World) -> None:
    before = world.fire(world.put_trigger("clip", b"no JSON"))
    with pytest.raises(MissingError, match="trigger"):
        resubmit(world.app, before, "missing")
    planned = world.fire(world.put_trigger("empty"))
    with pytest.raises(InputError, match="no frames") as raised:
        resubmit(world.app, planned, "missing")
    assert "trigger" in raised.value.remedy
    with pytest.raises(InputError):
        resubmit(world.app, planned, "all")


def test_a_cancelled_run_without_a_plan_goes_on(world: World) -> None:
    single = world.changed(max_open_runs=0)
    run_id = single.start("clip")
    cancel(single.app, run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.finish(run_id) == "finished"


def test_it_waits_for_a_slot_like_any_other(world: World, failed: str) -> None:
    single = world.changed(max_open_runs=1)
    other = single.start("other", 2)
    resubmit(single.app, failed, "missing")
    assert single.status(failed) == "waiting"
    single.finish(other)
    assert single.status(failed) == "scoring"


def test_late_messages_of_the_first_life_do_no_harm(world: World, failed: str) -> None:
    resubmit(world.app, failed, "missing")
    for batch in (0, 1, 2):
        finish_batch(world.app, message(failed, batch))
    assert world.status(failed) == "scoring"
    assert world.finish(failed) == "finished"


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
def test_bodies_that_are_understood(body: bytes, which: object) -> None:
    wish = parse_resubmit_request(body)
    assert (wish.which, wish.options) == (which, {})


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
def test_bodies_that_are_not_are_refused_with_what_there_is(body: bytes) -> None:
    with pytest.raises(InputError, match="not understood") as raised:
        parse_resubmit_request(body)
    assert "missing, failed, all" in raised.value.remedy
    assert len(str(raised.value)) < 300


# The same input with other options.


def test_all_with_other_options_is_a_new_run_of_the_same_input(world: World) -> None:
    world.storage.input.write("clip/sea.png", painting())
    old = world.start("clip", scorer="any", style="sea.png", strength=0.8, size=480)
    assert world.finish(old) == "finished"
    world.storage.input.write("clip/sea.png", b"another painting")
    before = world.runs_blobs(old), world.video(old)
    new = resubmit(world.app, old, "all", {"strength": 0.5, "size": None, "style_scale": 2, "frames_per_batch": 4})
    assert new != old
    first, second = read_plan(world.storage, old), read_plan(world.storage, new)
    assert (second.options.strength, second.options.size, second.options.style_scale) == (0.5, None, 2)
    assert (first.borders, second.borders) == ((0, 2, 4, 6), (0, 3, 6))
    assert (second.parent, second.scored) == (None, (0, 1))
    assert (second.frames, second.manifest_sha256) == (first.frames, first.manifest_sha256)
    (style,) = second.styles
    assert style.blob.name.startswith(f"{new}/"), "a copy of its own, of the painting as it was"
    assert world.storage.work.need(style.blob.name).data == painting()
    assert (world.described(new)["parent"], world.described(new)["options"]["strength"]) == (old, 0.5)
    assert world.finish(new) == "finished"
    assert world.frame_count(new) == 6
    assert (world.runs_blobs(old) - {"child-runs/001"}, world.video(old)) == before


def test_a_split_video_is_not_split_again_for_other_options(world: World) -> None:
    old = world.fire(world.put_film())
    world.pump()
    split(world.storage, old, 4)
    world.pump()
    assert world.finish(old) == "finished"
    new = resubmit(world.app, old, "all", {"scorer": "look"})
    assert world.finish(new) == "finished"
    assert "split" not in world.tasks(new)
    assert world.described(new)["records"] == f"output/{new}/records.jsonl"
    again = resubmit(world.app, new, "all", {"scorer": "copy"})
    assert world.finish(again) == "finished"
    assert world.frame_count(again) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strength": 2}, "strength"),
        ({"scorer": "any"}, "style is missing"),
        ({"scorer": "script"}, "program is missing"),
        ({"size": 480, "style_scale": 1}, "size or style_scale"),
    ],
)
def test_other_options_that_do_not_fit_are_refused_at_once(
    world: World, options: dict[str, object], words: str
) -> None:
    run_id = world.start("clip")
    with pytest.raises(InputError, match=words):
        resubmit(world.app, run_id, "all", options)
    assert "child-runs/001" not in world.runs_blobs(run_id)


def test_other_options_need_a_plan_to_start_from(world: World) -> None:
    with pytest.raises(InputError, match="no plan yet"):
        resubmit(world.app, world.fire(world.put_film()), "all", {"strength": 0.5})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"options": {"strength": 0.5}}', "with all only"),
        (b'{"which": "failed", "options": {"strength": 0.5}}', "with all only"),
        (b'{"which": [0], "options": {"strength": 0.5}}', "with all only"),
        (b'{"which": "all", "options": {"strenght": 0.5}}', "did you mean 'strength'"),
        (b'{"which": "all", "options": {"style": "a.jpg"}}', "'style' stays as it was in a resubmission"),
        (b'{"which": "all", "option": {}}', "did you mean 'options'"),
        (b'{"which": "all", "options": []}', "options"),
        (b'{"which": "all"', "not JSON"),
        (b'{"options": {"program": "' + b"x" * 70_000 + b'"}}', "70"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bodies_with_options_are_refused_with_the_right_words(body: bytes, words: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_resubmit_request(body)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_body_with_options_is_understood() -> None:
    wish = parse_resubmit_request(b'{"which": "all", "options": {"strength": 0.5, "size": null}}')
    assert (wish.which, wish.options) == ("all", {"strength": 0.5, "size": None})
