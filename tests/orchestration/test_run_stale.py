"""A handler that decided long ago: what it still does must not undo a person's resubmission."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlobInfo, Container
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.runs import finalize
from orchestration.runs.advance import advance
from tests.support.fake_node import fail
from tests.support.world import World


class Delayed(Container):
    """Lets something else happen first, once, when the outcome is about to be written."""

    happens: Callable[[], None] | None = None

    def create(self, name: str, data: bytes) -> bool:
        if name.endswith("/outcome.json") and self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return super().create(name, data)


def delayed(world: World, happens: Callable[[], None]) -> World:
    runs = Delayed(world.storage.runs._client)
    runs.happens = happens
    return World(replace(world.app, storage=replace(world.storage, runs=runs)))


def test_a_late_cancellation_does_not_end_a_run_that_goes_on(world: World) -> None:
    run_id = world.start("clip", 2)
    world.pump()

    def meanwhile() -> None:
        cancel(world.app, run_id)
        resubmit(world.app, run_id, "missing")

    world.storage.runs.create(RunPaths(run_id).cancelled, b"")
    advance(delayed(world, meanwhile).app, run_id)
    assert world.status(run_id) == "scoring"
    assert world.storage.runs.exists(RunPaths(run_id).open_mark)
    world.finish(run_id)
    assert world.status(run_id) == "finished"


def test_a_late_failure_does_not_end_a_run_that_goes_on(world: World) -> None:
    run_id = world.start("clip", 1)
    world.pump()
    fail(world.storage, run_id, 0)
    advance(delayed(world, lambda: (advance(world.app, run_id), resubmit(world.app, run_id, "failed"))[0]).app, run_id)
    assert world.status(run_id) == "scoring"
    world.finish(run_id)
    assert world.status(run_id) == "finished"


def test_an_ending_stands_though_another_handler_cleans_up_after_it_at_once(world: World) -> None:
    run_id = world.start("clip", 1)
    world.pump()
    fail(world.storage, run_id, 0)
    outcome = RunPaths(run_id).outcome
    deleted: list[str] = []

    class Watched(Container):
        def create(self, name: str, data: bytes) -> bool:
            made = super().create(name, data)
            if made and name == outcome:
                advance(world.app, run_id)
            return made

        def delete(self, name: str, *, etag: str | None = None) -> bool:
            deleted.append(name)
            return super().delete(name, etag=etag)

    watched = replace(world.app, storage=replace(world.storage, runs=Watched(world.storage.runs._client)))
    advance(watched, run_id)
    assert world.status(run_id) == "failed"
    assert world.is_let_go(run_id)
    assert outcome not in deleted


@pytest.mark.parametrize("which", ["missing", "failed"])
def test_cleaning_up_late_leaves_a_resumed_run_open(world: World, which: str) -> None:
    run_id = world.start("clip", 1)
    world.pump()
    fail(world.storage, run_id, 0)
    advance(world.app, run_id)
    assert world.status(run_id) == "failed"

    class Late(Container):
        def delete(self, name: str, *, etag: str | None = None) -> bool:
            if name == RunPaths(run_id).open_mark:
                resubmit(world.app, run_id, which)
            return super().delete(name, etag=etag)

    late = replace(world.app, storage=replace(world.storage, runs=Late(world.storage.runs._client)))
    finalize.clean_up(late, run_id)
    assert world.status(run_id) in ("scoring", "waiting")
    assert world.storage.runs.exists(RunPaths(run_id).open_mark)


def test_a_report_that_was_overtaken_is_written_again(world: World) -> None:
    run_id = world.start("clip", 1)
    world.pump()
    fail(world.storage, run_id, 0)
    advance(world.app, run_id)

    class Late(Container):
        def list(self, prefix: str) -> Iterator[BlobInfo]:
            if prefix == RunPaths(run_id).receipts:  # the report is being made
                self._overtake()
            return super().list(prefix)

        def _overtake(self) -> None:
            if not world.storage.runs.exists(RunPaths(run_id).cancelled):
                resubmit(world.app, run_id, "missing")
                cancel(world.app, run_id)

    runs = Late(world.storage.runs._client)
    finalize.clean_up(replace(world.app, storage=replace(world.storage, runs=runs)), run_id)
    assert (world.outcome(run_id).status, world.report(run_id)["status"]) == ("cancelled", "cancelled")
