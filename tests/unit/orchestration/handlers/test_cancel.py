"""Cancellation before, during and after any action; committed results are kept, no job remains."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.submit_batch import submit_batch
from tests.support.interception import intercept
from tests.support.world import World, in_parallel, message


def create_cancel_mark(world: World, run_id: str) -> None:
    """Perform the first write of a cancellation."""
    world.storage.runs.create(RunPaths(run_id).cancelled, b"")


def test_cancel_ends_run_and_tasks(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    cancel(world.app, run_id)
    outcome = world.outcome(run_id)
    assert (outcome.status, bool(outcome.reason)) == ("cancelled", True)
    assert world.is_released(run_id)
    assert world.report(run_id)["status"] == "cancelled"


def test_messages_after_cancel_have_no_effect(world: World) -> None:
    run_id = world.start("clip")
    cancel(world.app, run_id)
    world.deliver_messages(times=2)
    assert world.tasks(run_id) == {}
    world.score(run_id)
    world.deliver_messages()
    assert (world.status(run_id), world.is_released(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_job_created_during_cancel_is_terminated(world: World) -> None:
    run_id = world.start("clip")

    def ensure_job(original: Callable[..., bool], job_id: str, **options: Any) -> bool:
        cancel(world.app, run_id)
        return original(job_id, **options)

    slow_batch = intercept(world.app.batch, ensure_job=ensure_job)
    submit_batch(replace(world.app, batch=slow_batch), message(run_id, 0))
    assert world.status(run_id) == "cancelled"
    assert world.is_released(run_id)


def test_cancel_during_join_leaves_no_video(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)

    def block_writer(original: Callable[[str], Any], name: str) -> Any:
        create_cancel_mark(world, run_id)
        return original(name)

    finish_batch(world.intercepted("output", block_writer=block_writer).app, message(run_id, 0))
    assert (world.status(run_id), world.is_released(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_cancel_just_before_commit_leaves_no_video(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)

    def commit(original: Callable[[Sequence[str]], str], block_ids: Sequence[str]) -> str:
        cancel(world.app, run_id)
        return original(block_ids)

    def block_writer(original: Callable[[str], Any], name: str) -> Any:
        return intercept(original(name), commit=commit)

    finish_batch(world.intercepted("output", block_writer=block_writer).app, message(run_id, 0))
    assert (world.status(run_id), world.is_released(run_id)) == ("cancelled", True)
    assert not world.storage.output.exists(RunPaths(run_id).video("mp4"))


def test_cancel_after_commit_keeps_video(world: World) -> None:
    """The joiner died right after the commit; then a user cancels the run."""
    run_id = world.start("clip", 2)
    world.finish(run_id)
    video = world.video(run_id)
    world.storage.runs.delete(RunPaths(run_id).outcome)
    world.storage.runs.create(RunPaths(run_id).open_mark, b"")
    cancel(world.app, run_id)
    assert (world.status(run_id), world.video(run_id)) == ("finished", video)


def test_cancel_keeps_finished_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    before = world.runs_blobs(run_id), world.outcome(run_id)
    cancel(world.app, run_id)
    assert (world.runs_blobs(run_id), world.outcome(run_id)) == before


def test_concurrent_cancels_have_one_effect(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    in_parallel([lambda: cancel(world.app, run_id)] * 4)
    assert (world.status(run_id), world.is_released(run_id)) == ("cancelled", True)


def test_cancelled_run_can_be_resumed(world: World) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0)
    cancel(world.app, run_id)
    assert resubmit(world.app, run_id, "missing") == run_id
    assert world.status(run_id) == "scoring"
    assert sorted(world.tasks(run_id)) == ["b00001", "b00002"], "missing batches only"
    assert world.finish(run_id) == "finished"


def test_cancel_rejects_unknown_run(world: World) -> None:
    with pytest.raises(MissingError, match="never-was-0123456789"):
        cancel(world.app, "never-was-0123456789")
    with pytest.raises(InputError, match="etc"):
        cancel(world.app, "../../etc")
