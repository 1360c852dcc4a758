"""How many runs may be under way: no more than the limit, the longest waiting first, none forgotten."""

from dataclasses import replace

import pytest

from frame_tools.contracts import paths
from frame_tools.storage.blobs import Container
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.sweep import sweep
from orchestration.runs.admission import release_slots, take_slot
from tests.support.fake_node import fail, split
from tests.support.world import World, in_parallel, message


@pytest.fixture
def narrow(world: World) -> World:
    return world.changed(max_open_runs=2)


def under_way(world: World) -> int:
    return len(list(world.storage.runs.list("slots/")))


def test_runs_above_the_limit_wait_in_order_and_are_let_in_one_by_one(narrow: World) -> None:
    runs = [narrow.start(f"clip {letter}", 2) for letter in "dcba"]
    assert [narrow.status(run) for run in runs] == ["scoring", "scoring", "waiting", "waiting"]
    for ended, let_in in ((1, 2), (0, 3)):
        assert narrow.finish(runs[ended]) == "finished"
        assert narrow.status(runs[let_in]) == "scoring"
    assert {narrow.finish(run) for run in runs} == {"finished"}
    assert under_way(narrow) == 0


def test_many_at_once_keep_to_the_limit(narrow: World) -> None:
    blobs = [narrow.put_trigger(f"clip {n}", input="clip") for n in range(5)]
    narrow.put_frames("clip", 2)
    in_parallel([lambda blob=blob: narrow.fire(blob) for blob in blobs])
    sweep(narrow.app)
    assert under_way(narrow) == 2
    statuses = sorted(described["status"] for described in map(narrow.described, open_runs(narrow)))
    assert statuses == ["scoring", "scoring", "waiting", "waiting", "waiting"]


@pytest.mark.parametrize("end", ["refused", "failed", "cancelled", "finished"])
def test_however_a_run_ends_the_next_is_let_in_without_the_sweep(world: World, end: str) -> None:
    single = world.changed(max_open_runs=1)
    first = single.fire(single.put_film())
    split(single.storage, first, 2)
    if end != "refused":
        single.pump()
    second = single.start("second", 2)
    assert (single.status(second), under_way(single)) == ("waiting", 1)
    if end == "refused":
        too_small = single.changed(max_frames=1)
        finish_batch(too_small.app, message(first, "split"))
    elif end == "failed":
        fail(single.storage, first, 0)
    elif end == "cancelled":
        cancel(single.app, first)
    else:
        single.paint(first)
    single.pump()
    assert (single.status(first), single.status(second)) == (end, "scoring")
    assert single.is_let_go(first)


def test_two_handlers_that_take_one_slot_each_for_a_run_keep_one(world: World) -> None:
    wide = world.changed(max_open_runs=2)
    run_id = wide.start("clip", 2)
    release_slots(wide.app, run_id)
    wide.storage.runs.create(paths.slot(0), b"another-0123456789")

    class Late(Container):
        def create(self, name: str, data: bytes) -> bool:
            if name == paths.slot(1):  # meanwhile the other run has ended, and another handler is faster
                wide.storage.runs.delete(paths.slot(0))
                assert take_slot(wide.app, run_id)
            return super().create(name, data)

    late = replace(wide.app, storage=replace(wide.storage, runs=Late(wide.storage.runs._client)))
    assert take_slot(late, run_id)
    assert under_way(wide) == 1
    assert wide.finish(run_id) == "finished"


def test_a_waiting_run_can_be_cancelled(world: World) -> None:
    single = world.changed(max_open_runs=1)
    first, second, third = (single.start(name, 2) for name in ("first", "second", "third"))
    cancel(single.app, second)
    assert single.status(second) == "cancelled"
    single.finish(first)
    assert single.status(third) == "scoring"


def test_a_slot_whose_holder_is_gone_is_given_back_with_the_run(world: World) -> None:
    run_id = world.start("clip", 2)
    world.storage.runs.create(paths.slot(7), run_id.encode())  # a crash between two writes may leave a second one
    assert world.finish(run_id) == "finished"
    assert under_way(world) == 0


def open_runs(world: World) -> list[str]:
    return [item.name.removeprefix("open/") for item in world.storage.runs.list("open/")]
