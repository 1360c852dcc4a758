"""Decisions that are out of date when they take effect must not undo a resubmission."""

from collections.abc import Callable, Iterator

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlobInfo
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import Which, resubmit
from orchestration.runs.advance import advance
from orchestration.runs.finalize import clean_up
from tests.support.fake_node import fail
from tests.support.world import World


def before_outcome(world: World, action: Callable[[], None]) -> World:
    """Return the same world, in which `action` happens once, just before an outcome is written."""
    actions = [action]

    def create(original: Callable[[str, bytes], bool], name: str, data: bytes) -> bool:
        if name.endswith("/outcome.json") and actions:
            actions.pop()()
        return original(name, data)

    return world.intercepted("runs", create=create)


def test_stale_cancel_does_not_end_resumed_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()

    def meanwhile() -> None:
        cancel(world.app, run_id)
        resubmit(world.app, run_id, "missing")

    world.storage.runs.create(RunPaths(run_id).cancelled, b"")
    advance(before_outcome(world, meanwhile).app, run_id)
    assert world.status(run_id) == "scoring"
    assert world.storage.runs.exists(RunPaths(run_id).open_mark)
    world.finish(run_id)
    assert world.status(run_id) == "finished"


def test_stale_failure_does_not_end_resumed_run(world: World) -> None:
    run_id = world.start("clip", 1)
    world.deliver_messages()
    fail(world.storage, run_id, 0)

    def meanwhile() -> None:
        advance(world.app, run_id)
        resubmit(world.app, run_id, "failed")

    advance(before_outcome(world, meanwhile).app, run_id)
    assert world.status(run_id) == "scoring"
    world.finish(run_id)
    assert world.status(run_id) == "finished"


def test_outcome_survives_concurrent_clean_up(world: World) -> None:
    run_id = world.start("clip", 1)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    outcome = RunPaths(run_id).outcome
    deleted: list[str] = []

    def create(original: Callable[[str, bytes], bool], name: str, data: bytes) -> bool:
        created = original(name, data)
        if created and name == outcome:
            advance(world.app, run_id)
        return created

    def delete(original: Callable[..., bool], name: str, *, etag: str | None = None) -> bool:
        deleted.append(name)
        return original(name, etag=etag)

    advance(world.intercepted("runs", create=create, delete=delete).app, run_id)
    assert world.status(run_id) == "failed"
    assert world.is_released(run_id)
    assert outcome not in deleted


@pytest.mark.parametrize("which", ["missing", "failed"])
def test_late_clean_up_keeps_resumed_run_open(world: World, which: Which) -> None:
    run_id = world.start("clip", 1)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    advance(world.app, run_id)
    assert world.status(run_id) == "failed"

    def delete(original: Callable[..., bool], name: str, *, etag: str | None = None) -> bool:
        if name == RunPaths(run_id).open_mark:
            resubmit(world.app, run_id, which)
        return original(name, etag=etag)

    clean_up(world.intercepted("runs", delete=delete).app, run_id)
    assert world.status(run_id) in ("scoring", "waiting")
    assert world.storage.runs.exists(RunPaths(run_id).open_mark)


def test_outdated_report_is_written_again(world: World) -> None:
    run_id = world.start("clip", 1)
    world.deliver_messages()
    fail(world.storage, run_id, 0)
    advance(world.app, run_id)
    interfered: list[str] = []

    def list_blobs(original: Callable[[str], Iterator[BlobInfo]], prefix: str) -> Iterator[BlobInfo]:
        if prefix == RunPaths(run_id).folder and not interfered:
            interfered.append(prefix)
            resubmit(world.app, run_id, "missing")  # while the report is being written
            cancel(world.app, run_id)
        return original(prefix)

    clean_up(world.intercepted("runs", list=list_blobs).app, run_id)
    assert (world.outcome(run_id).status, world.report(run_id)["status"]) == ("cancelled", "cancelled")
