"""The throughput of earlier runs: recorded when a run ends, bounded, and used by plans and forecasts."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import Plan
from frame_tools.costs.throughput import device_throughput
from orchestration import throughput_history
from orchestration.reporting.clip_estimate import Clip, estimate_clip, read_pool
from orchestration.throughput_history import (
    MAX_THROUGHPUTS,
    MeasuredThroughput,
    ThroughputHistory,
    WorkKind,
    measured_throughput,
    record_throughput,
)
from tests.support.world import World

OPTIONS = Options(scorer="any", temporal_smoothing=0).with_default_strokes
MOMENT = dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)


def report(
    *, frames: int = 1000, seconds: float = 0.5, start_up: float = 8.0, tasks: int = 2,
    size: tuple[int, int] = (64, 48), options: Options = OPTIONS, ended: dt.datetime = MOMENT, status: str = "finished",
) -> dict[str, Any]:  # fmt: skip
    """Return the parts of a report that say something of the throughput."""
    return {
        "run_id": "clip-0123456789",
        "status": status,
        "ended_at": ended.isoformat(),
        "clip": {"width": size[0], "height": size[1]},
        "plan": {"options": options.model_dump(mode="json", exclude_none=True)},
        "scoring": {
            "frames": frames,
            "tasks": tasks,
            "task_seconds": frames * seconds + tasks * start_up,
            "start_up_seconds": tasks * start_up,
        },
    }


def stored(world: World) -> ThroughputHistory:
    return ThroughputHistory.load_stored(world.storage.runs.need(paths.throughput_history()).data)


def found(world: World, *, size: tuple[int, int] = (64, 48), options: Options = OPTIONS) -> tuple[float, float] | None:
    throughput = measured_throughput(world.app, options, width=size[0], height=size[1])
    return None if throughput is None else (throughput.seconds_per_frame, throughput.start_up_seconds)


def test_throughput_of_the_same_work_is_found(world: World) -> None:
    assert found(world) is None
    record_throughput(world.app, report())
    assert found(world) == (0.5, 8.0)
    assert found(world, options=Options(scorer="johnson", temporal_smoothing=0)) is None
    assert found(world, options=OPTIONS.model_copy(update={"temporal_smoothing": 0.7})) is None


def test_throughput_of_other_sizes_is_scaled_as_the_table_says(world: World) -> None:
    record_throughput(world.app, report(size=(640, 360)))
    small, large = (
        device_throughput("cpu", width=width, height=height, options=OPTIONS).seconds_per_frame
        for width, height in ((640, 360), (1920, 1080))
    )
    seconds, _ = found(world, size=(1920, 1080)) or (0, 0)
    assert seconds == pytest.approx(0.5 * large / small)
    record_throughput(world.app, report(size=(1920, 1080), seconds=4.0, ended=MOMENT - dt.timedelta(days=1)))
    assert (found(world, size=(1920, 1080)) or (0,))[0] == 4.0, "its own size comes before the newer one"


def test_older_run_that_is_cleaned_up_again_replaces_nothing(world: World) -> None:
    old = report(seconds=4.0, ended=MOMENT - dt.timedelta(days=1))
    for each in (old, report(), old):
        record_throughput(world.app, each)
    assert found(world) == (0.5, 8.0)


def test_other_pool_has_a_throughput_of_its_own(world: World) -> None:
    record_throughput(world.app, report())
    assert found(world.changed(batch_pool_id="other")) is None


def test_frames_before_a_task_s_first_one_are_counted(world: World) -> None:
    smoothed = OPTIONS.model_copy(update={"temporal_smoothing": 0.7})
    record_throughput(world.app, report(options=smoothed, frames=1000, tasks=11))
    assert (found(world, options=smoothed) or (0,))[0] == pytest.approx(0.5 * 1000 / (1000 + 10 * 10))


@pytest.mark.parametrize(
    "unusable",
    [
        report(frames=throughput_history.MIN_FRAMES - 1),
        report(status="cancelled"),
        report(options=Options(scorer="gatys")),
        report(options=OPTIONS.model_copy(update={"tune": True})),
        report(seconds=0.0),
        report(seconds=-1.0),
        report(seconds=float("nan")),
        report(seconds=float("inf")),
        report(seconds=1e9),
        report(start_up=-1.0),
        report(start_up=1e9),
        report() | {"scoring": {"frames": 0}},
        report() | {"ended_at": ""},
        {"status": "finished"},
        {},
    ],
)
def test_report_that_says_nothing_or_too_much_is_left_out(world: World, unusable: dict[str, Any]) -> None:
    record_throughput(world.app, unusable)
    assert not world.storage.runs.exists(paths.throughput_history())


def test_newest_run_of_a_kind_counts(world: World) -> None:
    record_throughput(world.app, report(seconds=0.5))
    record_throughput(world.app, report(seconds=0.7, ended=MOMENT + dt.timedelta(hours=1)))
    assert found(world) == (0.7, 8.0)
    assert len(stored(world).throughputs) == 1


def test_repeated_end_writes_nothing(world: World) -> None:
    record_throughput(world.app, report())
    before = world.storage.runs.info(paths.throughput_history())
    record_throughput(world.app, report())
    assert world.storage.runs.info(paths.throughput_history()) == before


def test_document_is_bounded(world: World) -> None:
    for number in range(MAX_THROUGHPUTS + 5):
        record_throughput(world.app, report(size=(64, 48 + number), ended=MOMENT + dt.timedelta(hours=number)))
    throughputs = stored(world).throughputs
    assert len(throughputs) == MAX_THROUGHPUTS
    assert {throughput.kind.size[1] for throughput in throughputs} == {
        48 + number for number in range(5, MAX_THROUGHPUTS + 5)
    }
    assert len(stored(world).dumps()) < ThroughputHistory.max_bytes / 2


@pytest.mark.parametrize("data", [b"", b"{", b'{"version": 99}', b"[" * (ThroughputHistory.max_bytes + 9)])
def test_damaged_document_is_replaced(world: World, data: bytes) -> None:
    world.storage.runs.write(paths.throughput_history(), data)
    assert found(world) is None
    record_throughput(world.app, report())
    assert found(world) == (0.5, 8.0)


def test_runs_that_end_at_the_same_time_are_all_recorded(world: World) -> None:
    """Another one writes between reading and writing."""
    others = [report(size=(64, 100)), report(size=(64, 101))]

    def meanwhile(original: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
        if others and name == paths.throughput_history():
            record_throughput(world.app, others.pop())
        return original(name, *args, **options)

    record_throughput(world.intercepted("runs", create=meanwhile, replace=meanwhile).app, report())
    assert {throughput.kind.size[1] for throughput in stored(world).throughputs} == {48, 100, 101}


def test_time_of_a_throughput_is_that_of_its_run(world: World) -> None:
    record_throughput(world.app, report())
    (throughput,) = stored(world).throughputs
    assert isinstance(throughput, MeasuredThroughput)
    assert throughput.measured_at == MOMENT
    assert throughput.kind == WorkKind.of(OPTIONS, width=64, height=48, pool=world.app.settings.batch_pool_id)


def plan_of(world: World, run_id: str) -> Plan:
    return Plan.load_stored(world.storage.runs.need(paths.RunPaths(run_id).plan).data)


def test_end_of_a_run_changes_the_tasks_of_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four tasks for four nodes, until a run has shown that a node would only start for them."""
    monkeypatch.setattr(throughput_history, "MIN_FRAMES", 20)
    first = world.start("first", 20, frames_per_batch=2, scorer="copy")
    assert plan_of(world, first).task_count == 4
    assert world.finish(first) == "finished"  # half of the time of the fake node's tasks is start-up
    second = world.start("second", 20, frames_per_batch=2, scorer="copy")
    assert plan_of(world, second).task_count == 1


def test_forecasts_use_the_throughput_history(world: World) -> None:
    clip = Clip(frames=1000, width=64, height=48, options=OPTIONS)
    record_throughput(world.app, report(seconds=0.5, start_up=8.0))
    assert estimate_clip(world.app, read_pool(world.app), clip).seconds == pytest.approx(1000 * 0.5 + 4 * 8.0)
    run_id = world.start("clip", 200, frames_per_batch=100, scorer="copy")
    record_throughput(
        world.app, report(seconds=2.0, start_up=0.0, options=plan_of(world, run_id).options, ended=world.clock.now())
    )
    world.deliver_messages()
    status = world.status_document(run_id)
    assert status["cost"]["expected"]["node_seconds"] == 400
    assert "measured on this pool with 1000 frames of 64x48" in json.dumps(status)
