"""Admission control: the limit holds, the longest-waiting run goes first, none is forgotten."""

from collections.abc import Callable
from functools import partial

import pytest

from frame_tools.contracts import paths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.sweep import sweep
from orchestration.runs.admission import acquire_slot, release_slots
from tests.support.fake_node import fail, split
from tests.support.world import World, in_parallel, message


@pytest.fixture
def narrow(world: World) -> World:
    return world.changed(max_open_runs=2)


def open_runs(world: World) -> list[str]:
    return [item.name.removeprefix("open/") for item in world.storage.runs.list("open/")]


def slot_count(world: World) -> int:
    return len(list(world.storage.runs.list("slots/")))


def test_waiting_runs_are_admitted_in_order(narrow: World) -> None:
    runs = [narrow.start(f"clip {letter}", 2) for letter in "dcba"]
    assert [narrow.status(run) for run in runs] == ["scoring", "scoring", "waiting", "waiting"]
    for ended, let_in in ((1, 2), (0, 3)):
        assert narrow.finish(runs[ended]) == "finished"
        assert narrow.status(runs[let_in]) == "scoring"
    assert {narrow.finish(run) for run in runs} == {"finished"}
    assert slot_count(narrow) == 0


def test_concurrent_starts_respect_the_limit(narrow: World) -> None:
    blobs = [narrow.upload_trigger(f"clip {n}", input="clip") for n in range(5)]
    narrow.upload_frames("clip", 2)
    in_parallel([partial(narrow.fire_trigger, blob) for blob in blobs])
    sweep(narrow.app)
    assert slot_count(narrow) == 2
    statuses = sorted(status_document["status"] for status_document in map(narrow.status_document, open_runs(narrow)))
    assert statuses == ["scoring", "scoring", "waiting", "waiting", "waiting"]


@pytest.mark.parametrize("end", ["refused", "failed", "cancelled", "finished"])
def test_any_outcome_admits_the_next_run(world: World, end: str) -> None:
    single = world.changed(max_open_runs=1)
    first = single.fire_trigger(single.upload_video())
    split(single.storage, first, 2)
    if end != "refused":
        single.deliver_messages()
    second = single.start("second", 2)
    assert (single.status(second), slot_count(single)) == ("waiting", 1)
    if end == "refused":
        too_small = single.changed(max_frames=1)
        finish_batch(too_small.app, message(first, "split"))
    elif end == "failed":
        fail(single.storage, first, 0)
    elif end == "cancelled":
        cancel(single.app, first)
    else:
        single.score(first)
    single.deliver_messages()
    assert (single.status(first), single.status(second)) == (end, "scoring")
    assert single.is_released(first)


def test_run_with_two_slots_keeps_one(world: World) -> None:
    wide = world.changed(max_open_runs=2)
    run_id = wide.start("clip", 2)
    release_slots(wide.app, run_id)
    wide.storage.runs.create(paths.slot(0), b"another-0123456789")

    def create(original: Callable[[str, bytes], bool], name: str, data: bytes) -> bool:
        if name == paths.slot(1):  # meanwhile the other run has ended, and another handler is faster
            wide.storage.runs.delete(paths.slot(0))
            assert acquire_slot(wide.app, run_id)
        return original(name, data)

    assert acquire_slot(wide.intercepted("runs", create=create).app, run_id)
    assert slot_count(wide) == 1
    assert wide.finish(run_id) == "finished"


def test_waiting_run_can_be_cancelled(world: World) -> None:
    single = world.changed(max_open_runs=1)
    first, second, third = (single.start(name, 2) for name in ("first", "second", "third"))
    cancel(single.app, second)
    assert single.status(second) == "cancelled"
    single.finish(first)
    assert single.status(third) == "scoring"


def test_finished_run_releases_all_its_slots(world: World) -> None:
    run_id = world.start("clip", 2)
    world.storage.runs.create(paths.slot(7), run_id.encode())  # as after a crash between two writes
    assert world.finish(run_id) == "finished"
    assert slot_count(world) == 0
