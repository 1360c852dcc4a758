"""The status of a run says how far the tuning of its paintings is, whichever run's task is at it."""

import datetime as dt
from typing import Any

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.tuning import TUNING_STEPS, TuningPaths, TuningProgress
from frame_tools.storage.recorded_hashes import load_plan
from orchestration.reporting.progress import WAITING_FOR_NODE, WAITING_LOCALLY
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, frame, painting


def started(**options: Any) -> tuple[World, str]:
    world = InMemoryCloud().world()
    world.storage.input.write("clip/sea.png", painting())
    world.storage.input.write("clip/bay.png", frame(1))
    run_id = world.start("clip", 6, **{"scorer": "any", "style": "sea.png", "tune": True} | options)
    world.deliver_messages()
    return world, run_id


def names_of(world: World, run_id: str) -> list[TuningPaths]:
    plan, _ = load_plan(world.storage, run_id)
    return [TuningPaths.of(style.sha256, plan.weights_sha256) for style in plan.styles]


def write(world: World, names: TuningPaths, step: int, steps: int = TUNING_STEPS, age: float = 0) -> None:
    written = world.clock.now() - dt.timedelta(seconds=age)
    progress = TuningProgress(step=step, steps=steps, written_at=written.isoformat())
    world.storage.runs.write(names.progress, progress.dumps())


def progress_of(world: World, run_id: str) -> dict[str, Any]:
    progress: dict[str, Any] = world.status_document(run_id)["progress"]
    return progress


def test_tuning_is_shown_while_a_task_is_at_it() -> None:
    world, run_id = started()
    (names,) = names_of(world, run_id)
    before = progress_of(world, run_id)
    assert before["tuning"] is None
    assert before["reason"] in (WAITING_FOR_NODE, WAITING_LOCALLY)
    write(world, names, 120)
    progress = progress_of(world, run_id)
    assert (progress["tuning"], progress["reason"]) == ({"steps_done": 120, "steps": TUNING_STEPS}, "")
    world.storage.runs.create(names.style, b"finished")
    assert progress_of(world, run_id)["tuning"] is None


def test_tuning_of_several_paintings_is_added_up() -> None:
    world, run_id = started(style={"sea.png": 1, "bay.png": 1})
    first, second = names_of(world, run_id)
    world.storage.runs.create(first.style, b"finished")
    write(world, second, 30, steps=60)
    expected = {"steps_done": TUNING_STEPS + TUNING_STEPS // 2, "steps": 2 * TUNING_STEPS}
    assert progress_of(world, run_id)["tuning"] == expected


def test_progress_of_a_dead_task_or_of_garbage_is_not_shown() -> None:
    world, run_id = started()
    (names,) = names_of(world, run_id)
    write(world, names, 120, age=300)
    assert progress_of(world, run_id)["tuning"] is None
    world.storage.runs.write(names.progress, b"{")
    assert progress_of(world, run_id)["tuning"] is None
    write(world, names, 123)
    vast = world.storage.runs.need(names.progress).data.replace(b"123", 400 * b"9")
    world.storage.runs.write(names.progress, vast)
    assert progress_of(world, run_id)["tuning"] is None


def test_run_without_tuning_and_one_that_paints_show_none() -> None:
    world, run_id = started()
    (names,) = names_of(world, run_id)
    write(world, names, 120)
    world.storage.runs.write(RunPaths(run_id).prepared, b"statistics")
    assert progress_of(world, run_id)["tuning"] is None
    plain = world.start("clip", 6, scorer="any", style="sea.png", input="clip")
    world.deliver_messages()
    assert progress_of(world, plain)["tuning"] is None
