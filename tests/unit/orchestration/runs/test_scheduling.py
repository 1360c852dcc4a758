"""Scheduling of tasks and jobs."""

from functools import partial

from frame_tools.contracts import ids
from orchestration.handlers.submit_batch import submit_batch
from tests.support.fake_node import fail
from tests.support.world import World, in_parallel, message


def test_failed_split_fails_run(world: World) -> None:
    run_id = world.fire_trigger(world.upload_video())
    world.deliver_messages()
    fail(world.storage, run_id, "split", "The video 'film.mp4' has no picture")
    world.deliver_messages()
    assert (world.status(run_id), world.outcome(run_id).reason) == ("failed", "The video 'film.mp4' has no picture")
    assert world.is_released(run_id)


def test_closed_job_gets_a_successor(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 0))
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    submit_batch(world.app, message(run_id, 1))
    assert sorted(world.tasks(run_id, 0)) == ["b00000"]
    assert (world.job_is_open(run_id, 1), sorted(world.tasks(run_id, 1))) == (True, ["b00001"])


def test_concurrent_handlers_share_the_successor_job(world: World) -> None:
    run_id = world.start("clip")
    submit_batch(world.app, message(run_id, 0))
    world.app.batch.terminate_job(ids.job_id(run_id, 0), "somebody did")
    in_parallel([partial(submit_batch, world.app, message(run_id, step)) for step in (0, 1, 2)])
    claims = {blob for blob in world.runs_blobs(run_id) if blob.startswith("jobs/")}
    assert claims == {"jobs/000", "jobs/001"}
    assert sorted(world.tasks(run_id, 1)) == ["b00000", "b00001", "b00002"]
