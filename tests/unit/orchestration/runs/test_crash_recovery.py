"""Crash recovery: a process may die between any two writes and the run ends as if it had not."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.handlers.cancel import cancel
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.start_run import start_run
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from tests.support.crash import SimulatedCrash, crash_after
from tests.support.fake_node import fail
from tests.support.world import World, drain, message

MAX_WRITES = 40


def crash_everywhere(world: World, prepare: Callable[[], str], act: Callable[[App, str], object]) -> Iterator[str]:
    """Yield a run without a crash, then one per crash point, after `act` was called again."""
    run_id = prepare()
    act(world.app, run_id)
    yield run_id
    for writes in range(MAX_WRITES):
        run_id = prepare()
        try:
            act(crash_after(world.app, writes), run_id)
        except SimulatedCrash:
            act(world.app, run_id)
            yield run_id
        else:
            assert writes >= 3, "no write is intercepted"
            return
    pytest.fail(f"more than {MAX_WRITES} writes")


def final_state(world: World, run_id: str) -> tuple[Any, ...]:
    """Return everything about a run that must not depend on crashes."""
    return (
        world.status(run_id),
        world.outcome(run_id).reason,
        world.storage.output.exists(RunPaths(run_id).video("mp4")) and world.video(run_id),
        sorted(world.runs_blobs(run_id) - {"join.lease", "done.log"}),
        sorted(item.name.removeprefix(run_id) for item in world.storage.output.list(f"{run_id}/")),
        {key: value for key, value in world.report(run_id).items() if key in ("status", "reason", "scoring")},
        world.is_released(run_id),
    )


def start_two_batches(world: World) -> str:
    """Start a run of two batches."""
    run_id = world.start("clip", 2, frames_per_batch=1)
    world.deliver_messages()
    return run_id


def assert_all_equal(states: list[tuple[object, ...]], status: str) -> None:
    assert len(states) > 3
    assert states[0][0] == status
    assert states[0][-1], "the run holds nothing"
    for number, state in enumerate(states):
        assert state == states[0], f"the crash number {number} changes the final state"


def test_crash_while_starting(world: World) -> None:
    world.upload_frames("clip", 2)

    def trigger() -> str:
        blob = world.upload_trigger("clip", frames_per_batch=1)
        return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)

    states = []
    for run_id in crash_everywhere(world, trigger, lambda app, _: start_run(app, "clip.json")):
        messages = {text.replace(run_id, "RUN") for text in drain(world.storage.frame_batches)}
        plan = world.storage.runs.need(RunPaths(run_id).plan).data.decode().replace(run_id, "RUN")
        slots = [item.name for item in world.storage.runs.list("slots/")]
        states.append((world.status(run_id), messages, plan, sorted(world.runs_blobs(run_id)), len(slots)))
        cancel(world.app, run_id)
    assert states[0][0] == "scoring"
    assert len(states[0][1]) == 1, "one message for both batches"
    assert states == [states[0]] * len(states)


def test_crash_while_refusing(world: World) -> None:
    def trigger() -> str:
        blob = world.upload_trigger("clip")
        return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)

    runs = crash_everywhere(world, trigger, lambda app, _: start_run(app, "clip.json"))
    assert_all_equal([final_state(world, run_id) for run_id in runs], "refused")


def test_crash_while_submitting_task(world: World) -> None:
    def unplaced() -> str:
        run_id = world.start("clip", 2, frames_per_batch=1)
        drain(world.storage.frame_batches)
        return run_id

    def place(app: App, run_id: str) -> None:
        submit_batch(app, message(run_id, 0))

    states = []
    for run_id in crash_everywhere(world, unplaced, place):
        submit_batch(world.app, message(run_id, 1))
        assert sorted(world.tasks(run_id)) == ["b00000", "b00001"]
        world.finish(run_id)
        states.append(final_state(world, run_id))
    assert_all_equal(states, "finished")


def test_crash_while_finishing(world: World) -> None:
    """After the crash, either the message is delivered again, or only the sweep runs."""
    again = itertools.cycle([lambda app, run_id: finish_batch(app, message(run_id, 1)), lambda app, _: sweep(app)])

    def scored() -> str:
        run_id = start_two_batches(world)
        world.score(run_id, message=False)
        finish_batch(world.app, message(run_id, 0))
        return run_id

    def finish(app: App, run_id: str) -> None:
        if app is world.app:
            next(again)(app, run_id)
        else:
            finish_batch(app, message(run_id, 1))

    assert_all_equal([final_state(world, run_id) for run_id in crash_everywhere(world, scored, finish)], "finished")


def test_crash_while_invalidating_receipt(world: World) -> None:
    def damaged() -> str:
        run_id = start_two_batches(world)
        world.score(run_id, message=False)
        world.storage.work.delete(RunPaths(run_id).segment(1))
        return run_id

    states = []
    for run_id in crash_everywhere(world, damaged, lambda app, run_id: finish_batch(app, message(run_id, "advance"))):
        sweep(world.changed(sweep_grace_seconds=0).app)
        assert world.tasks(run_id)["b00001"].is_active
        world.score(run_id, 1, message=False)
        finish_batch(world.app, message(run_id, "advance"))
        status, reason, video, blobs, *rest = final_state(world, run_id)
        states.append((status, reason, video, [blob.split("-0x")[0] for blob in blobs], *rest))
    assert_all_equal(states, "finished")


def test_crash_while_cancelling(world: World) -> None:
    runs = crash_everywhere(world, lambda: start_two_batches(world), cancel)
    assert_all_equal([final_state(world, run_id) for run_id in runs], "cancelled")


def test_crash_while_resubmitting_missing(world: World) -> None:
    def failed() -> str:
        run_id = start_two_batches(world)
        world.score(run_id, 0)
        fail(world.storage, run_id, 1)
        world.deliver_messages()
        assert world.status(run_id) == "failed"
        return run_id

    states = []
    for run_id in crash_everywhere(world, failed, lambda app, run_id: resubmit(app, run_id, "missing")):
        assert sorted(world.tasks(run_id, 1)) == ["b00001"]
        states.append(
            (world.status_document(run_id)["failures"], world.status(run_id), sorted(world.runs_blobs(run_id)))
        )
    assert states[0][:2] == ({}, "scoring")
    assert states == [states[0]] * len(states)
    assert world.finish(run_id) == "finished"


def test_crash_while_resubmitting_all(world: World) -> None:
    """A second call creates a second run; the incomplete one must not hang either."""
    wide = world.changed(max_open_runs=100)
    old = start_two_batches(wide)
    assert wide.finish(old) == "finished"
    reruns: list[str] = []

    def redo(app: App, run_id: str) -> None:
        reruns.append(resubmit(app, run_id, "all"))

    deaths_survived = len(list(crash_everywhere(wide, lambda: old, redo)))
    assert deaths_survived > 5
    sweep(wide.app)
    folders = set(wide.storage.runs.folders()) - {old, "open", "slots", "index", "status"}
    assert folders >= set(reruns)
    assert {item.name.removeprefix("open/") for item in wide.storage.runs.list("open/")} == folders, "a run hangs"
    assert {wide.status(run_id) for run_id in folders} == {"scoring"}
    incomplete = min(folders - set(reruns))
    for run_id in (incomplete, reruns[-1]):
        assert wide.finish(run_id) == "finished"
        assert wide.video(run_id) == wide.video(old)
