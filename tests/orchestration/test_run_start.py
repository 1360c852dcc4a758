"""A good trigger: what it makes, and that making it five times at once makes it once."""

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.manifest import Manifest
from frame_tools.storage.blobs import sha256_of
from orchestration.handlers.submit_batch import submit_batch
from tests.support.fake_node import SIZE, fail, read_manifest, read_plan, split
from tests.support.world import World, frame, in_parallel, message, painting


def test_a_run_goes_from_trigger_to_video(world: World) -> None:
    run_id = world.start("My clip")
    assert run_id.startswith("my-clip-")
    plan = read_plan(world.storage, run_id)
    assert (plan.borders, plan.name, plan.correlation_id) == ((0, 2, 4, 6), "My clip", run_id)
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 6
    assert world.described(run_id)["video"] == f"output/{run_id}/video.mp4"
    assert world.is_let_go(run_id)


def test_one_frame_is_a_whole_run(world: World) -> None:
    run_id = world.start("photo", 1)
    assert read_plan(world.storage, run_id).borders == (0, 1)
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 1


def test_remainder_frames_are_not_lost(world: World) -> None:
    run_id = world.start("clip", 7, frames_per_batch=3)
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 7


def test_one_trigger_delivered_five_times_at_once_is_one_run(world: World) -> None:
    world.put_frames("clip")
    blob = world.put_trigger("clip")
    ids = set(in_parallel([lambda: world.fire(blob)] * 5))
    assert len(ids) == 1
    (run_id,) = ids
    world.pump(times=2)
    assert sorted(world.tasks(run_id)) == ["b00000", "b00001", "b00002"]
    assert {blob for blob in world.runs_blobs(run_id) if blob.startswith("jobs/")} == {"jobs/000"}
    assert len(list(world.storage.runs.list("slots/"))) == 1, "the run holds one slot, not one per delivery"
    world.paint(run_id)
    world.pump(times=3)
    assert world.status(run_id) == "finished"


def test_a_trigger_of_a_finished_run_that_comes_again_changes_nothing(world: World) -> None:
    world.put_frames("clip", 2)
    blob = world.put_trigger("clip")
    run_id = world.fire(blob)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.video(run_id), world.outcome(run_id)
    assert world.fire(blob) == run_id
    assert (world.runs_blobs(run_id), world.video(run_id), world.outcome(run_id)) == before
    assert world.is_let_go(run_id)


def test_the_same_trigger_put_again_is_a_new_run_that_leaves_the_old_one_alone(world: World) -> None:
    first = world.start("clip", 2)
    world.finish(first)
    old = world.video(first)
    second = world.start("clip", 3)
    assert second != first
    assert world.finish(second) == "finished"
    assert (world.frame_count(first), world.frame_count(second)) == (2, 3)
    assert world.video(first) == old


def test_plain_frames_with_a_rate_need_no_manifest(world: World) -> None:
    for number in (8, 9, 10):
        world.storage.input.write(f"clip/shots/take v1.{number}.jpg", frame(number))
    world.storage.input.write("clip/shots/Thumbs.db", b"no image")
    world.storage.input.write("clip/shots2/take v1.11.jpg", frame(11))
    run_id = world.fire(world.put_trigger("clip", frames="shots", rate="30000/1001"))
    manifest = read_manifest(world.storage, run_id)
    assert [manifest.frame_name(i) for i in range(3)] == ["take v1.8.jpg", "take v1.9.jpg", "take v1.10.jpg"]
    assert str(manifest.rate) == "30000/1001"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 3


def test_frames_of_another_folder_by_option_input(world: World) -> None:
    world.put_frames("shared", 2)
    run_id = world.fire(world.put_trigger("night version", input="shared"))
    assert read_plan(world.storage, run_id).frames.name == "shared/frames/"
    assert world.finish(run_id) == "finished"


def test_the_run_keeps_its_own_copy_of_the_painting(world: World) -> None:
    world.put_frames("clip", 2)
    world.storage.input.write("clip/sea.png", painting())
    run_id = world.fire(world.put_trigger("clip", scorer="any", style="sea.png"))
    world.storage.input.write("clip/sea.png", b"another painting")
    (style,) = read_plan(world.storage, run_id).styles
    assert (style.name, style.kind, style.width, style.height) == ("sea.png", "painting", 40, 30)
    assert style.sha256 == sha256_of(painting())
    assert world.storage.work.need(style.blob.name).data == painting()


def test_a_video_is_split_first(world: World) -> None:
    run_id = world.fire(world.put_film())
    assert world.status(run_id) == "splitting"
    world.pump()
    assert sorted(world.tasks(run_id)) == ["split"]
    split(world.storage, run_id, 5)
    world.pump()
    plan = read_plan(world.storage, run_id)
    assert (plan.frame_count, plan.frames.container, plan.frames.name) == (5, "work", f"{run_id}/split/frames/")
    world.pump()
    assert world.status(run_id) == "scoring"
    assert world.finish(run_id) == "finished"
    assert world.frame_count(run_id) == 5


def test_a_video_that_can_not_be_split_fails_in_the_words_of_the_task(world: World) -> None:
    run_id = world.fire(world.put_film())
    world.pump()
    fail(world.storage, run_id, "split", "The video 'film.mp4' has no picture")
    world.pump()
    assert (world.status(run_id), world.outcome(run_id).reason) == ("failed", "The video 'film.mp4' has no picture")
    assert world.is_let_go(run_id)


@pytest.mark.parametrize(("there", "words"), [([], "film.mp4"), (["film.mp4"], "starry.jpg")])
def test_a_video_or_painting_that_is_not_there_costs_no_task(world: World, there: list[str], words: str) -> None:
    for name in there:
        world.storage.input.write(f"film/{name}", b"a film")
    run_id = world.fire(world.put_trigger("film", video="film.mp4", scorer="any", style="starry.jpg"))
    world.pump()
    assert world.status(run_id) == "refused"
    assert words in world.outcome(run_id).reason
    assert world.app.batch.tasks(ids.job_id(run_id, 0)) == []


def test_two_runs_at_once_do_not_mix(world: World) -> None:
    one, two = world.start("clip", 4), world.start("clip2", 6)
    world.pump()
    world.paint(one)
    world.pump()
    assert (world.status(one), world.status(two)) == ("finished", "scoring")
    world.paint(two)
    world.pump()
    assert (world.frame_count(one), world.frame_count(two)) == (4, 6)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_message_that_comes_again_makes_no_second_task(world: World, step: int) -> None:
    run_id = world.start("clip")
    in_parallel([lambda: submit_batch(world.app, message(run_id, step))] * 4)
    submit_batch(world.app, message(run_id, step))
    assert list(world.tasks(run_id)) == [f"b{step:05d}"]


def test_a_batch_that_is_not_in_the_plan_gets_no_task_and_is_kept(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 4711))
    assert world.tasks(run_id) == {}
    assert len(list(world.storage.logs.list("dead-letter/frame-batches/"))) == 1


def test_messages_after_the_end_make_no_task_and_no_job(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    tasks = world.tasks(run_id)
    submit_batch(world.app, message(run_id, 0))
    assert world.tasks(run_id) == tasks
    submit_batch(world.app, message("never-was-0123456789", 0))
    assert world.app.batch.tasks("never-was-0123456789-j0") == []


def test_a_job_that_takes_no_more_tasks_gets_a_successor(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 0))
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    submit_batch(world.app, message(run_id, 1))
    assert sorted(world.tasks(run_id, 0)) == ["b00000"]
    assert (world.job_is_open(run_id, 1), sorted(world.tasks(run_id, 1))) == (True, ["b00001"])


def test_two_handlers_that_find_the_job_closed_share_its_successor(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 0))
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    in_parallel([lambda s=s: submit_batch(world.app, message(run_id, s)) for s in (0, 1, 2)])
    claims = {blob for blob in world.runs_blobs(run_id) if blob.startswith("jobs/")}
    assert claims == {"jobs/000", "jobs/001"}
    assert sorted(world.tasks(run_id, 1)) == ["b00000", "b00001", "b00002"]


def test_batches_end_where_scenes_do(world: World) -> None:
    world.put_frames("clip", 12, manifest=False)
    described = Manifest.plain(12, 25, width=SIZE[0], height=SIZE[1]).model_copy(update={"cuts": (5,)})
    world.storage.input.write("clip/manifest.json", described.dumps())
    plan = read_plan(world.storage, world.fire(world.put_trigger("clip", frames_per_batch=6)))
    assert plan.borders == (0, 5, 12)
