"""Cancelling: before, while and after anything; what was committed first stays, no job outlives it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlockWriter, Container
from orchestration.azure_batch.client import BatchService
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from tests.support.world import World, in_parallel, message


def test_a_run_that_is_scoring_ends_and_its_tasks_with_it(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    cancel(world.app, run_id)
    outcome = world.outcome(run_id)
    assert (outcome.status, outcome.reason) == ("cancelled", "A person cancelled the run")
    assert world.is_let_go(run_id)
    assert world.report(run_id)["status"] == "cancelled"


def test_messages_after_it_do_nothing(world: World) -> None:
    run_id = world.start("clip")
    cancel(world.app, run_id)
    world.pump(times=2)
    assert world.tasks(run_id) == {}
    world.paint(run_id)
    world.pump()
    assert (world.status(run_id), world.is_let_go(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_a_job_made_while_the_run_is_cancelled_does_not_outlive_it(world: World) -> None:
    class SlowBatch(BatchService):
        def ensure_job(self, job_id: str, *, correlation_id: str) -> bool:
            if job_id.startswith("clip-"):
                cancel(world.app, run_id)
            return super().ensure_job(job_id, correlation_id=correlation_id)

    run_id = world.start("clip")
    slow = SlowBatch(world.app.settings, logs_url=world.storage.logs.url)
    submit_batch(replace(world.app, batch=slow), message(run_id, 0))
    assert world.status(run_id) == "cancelled"
    assert world.is_let_go(run_id)


def test_a_cancellation_while_segments_are_joined_leaves_no_video(world: World) -> None:
    class Watched(Container):
        def block_writer(self, name: str):
            cancel_mark(world, run_id)
            return super().block_writer(name)

    run_id = world.start("clip", 2)
    world.pump()
    world.paint(run_id, message=False)
    output = Watched(world.storage.output._client)
    joining = replace(world.app, storage=replace(world.storage, output=output))
    finish_batch(joining, message(run_id, 0))
    assert (world.status(run_id), world.is_let_go(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_a_cancellation_between_the_last_look_and_the_commit_leaves_no_video(world: World) -> None:
    class Hurried(BlockWriter):
        def commit(self, block_ids: Sequence[str]) -> None:
            cancel(world.app, run_id)
            super().commit(block_ids)

    class Watched(Container):
        def block_writer(self, name: str) -> BlockWriter:
            return Hurried(self._client, name)

    run_id = world.start("clip", 2)
    world.pump()
    world.paint(run_id, message=False)
    output = Watched(world.storage.output._client)
    finish_batch(replace(world.app, storage=replace(world.storage, output=output)), message(run_id, 0))
    assert (world.status(run_id), world.is_let_go(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_a_video_that_was_committed_first_stays(world: World) -> None:
    """The joiner has died right behind the commit; then somebody cancels."""
    run_id = world.start("clip", 2)
    world.finish(run_id)
    video = world.video(run_id)
    world.storage.runs.delete(RunPaths(run_id).outcome)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    cancel(world.app, run_id)
    assert (world.status(run_id), world.video(run_id)) == ("finished", video)


def test_a_finished_run_stays_finished(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.outcome(run_id)
    cancel(world.app, run_id)
    assert (world.runs_blobs(run_id), world.outcome(run_id)) == before


def test_many_cancellations_at_once_are_one(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    in_parallel([lambda: cancel(world.app, run_id)] * 4)
    assert (world.status(run_id), world.is_let_go(run_id)) == ("cancelled", True)


def test_a_cancelled_run_can_go_on(world: World) -> None:
    run_id = world.start("clip")
    world.pump()
    world.paint(run_id, 0)
    cancel(world.app, run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.status(run_id) == "scoring"
    assert sorted(world.tasks(run_id)) == ["b00001", "b00002"], "only what is missing"
    assert world.finish(run_id) == "finished"


def test_a_run_that_is_not_there_is_said_so(world: World) -> None:
    with pytest.raises(MissingError, match="never-was-0123456789"):
        cancel(world.app, "never-was-0123456789")
    with pytest.raises(InputError, match="is not a run id"):
        cancel(world.app, "../../etc")


def cancel_mark(world: World, run_id: str) -> None:
    """Do the first write of a cancellation."""
    world.storage.runs.create(RunPaths(run_id).cancelled, b"")
