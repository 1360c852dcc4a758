"""The Batch task `join` of a large video: damage that it finds is scored again without waiting for the sweep."""

from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from tests.support.world import World, message


def test_damage_that_the_join_task_finds_goes_back_to_the_queue(world: World) -> None:
    large = world.changed(join_in_function_bytes=1)
    run_id = large.start("clip")
    large.pump()
    large.paint(run_id)
    large.pump()
    assert "join" in large.tasks(run_id)
    segment = next(item.name for item in large.storage.work.list(f"{run_id}/segments/00001"))
    large.storage.work.write(segment, b"damaged")
    task = Task(storage=large.storage, run_id=run_id, step="join", task_id="join", dedicated=None)
    perform(task, join_run)
    finish_batch(large.app, message(run_id, "join"))
    large.pump()
    submit_batch(large.app, message(run_id, 1))
    assert large.status(run_id) == "scoring"
    large.paint(run_id)
    large.pump()
    perform(task, join_run)
    large.pump()
    assert large.status(run_id) == "finished"
