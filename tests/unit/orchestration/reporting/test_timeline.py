"""How long each stage took: from the marks, receipts and outcome that a run leaves."""

import datetime as dt
from dataclasses import replace

from frame_tools.contracts.paths import RunPaths
from orchestration.reporting.timeline import Moments, StageTime, stage_times
from tests.support.world import World

RECEIVED = dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)


def at(seconds: float) -> dt.datetime:
    return RECEIVED + dt.timedelta(seconds=seconds)


WHOLE = Moments(
    received=RECEIVED,
    admitted=at(10),
    queued=at(18),
    first_task=at(305),
    last_receipt=at(379),
    committed=at(383),
    ended=at(384),
)


def seconds(moments: Moments) -> dict[str, float | None]:
    return {time.stage: time.seconds for time in stage_times(moments)}


def test_each_stage_ends_where_the_next_begins() -> None:
    assert seconds(WHOLE) == {"waiting": 10, "checking": 8, "starting": 287, "painting": 74, "joining": 4}
    assert [time.started_at for time in stage_times(WHOLE)][:2] == [RECEIVED.isoformat(), at(10).isoformat()]


def test_current_stage_of_an_open_run_has_no_end() -> None:
    painting = replace(WHOLE, last_receipt=None, committed=None, ended=None)
    assert seconds(painting) == {"waiting": 10, "checking": 8, "starting": 287, "painting": None}
    assert seconds(Moments(received=RECEIVED)) == {"waiting": None}


def test_stage_that_was_interrupted_ends_with_the_run() -> None:
    cancelled = replace(WHOLE, first_task=None, last_receipt=None, committed=None, ended=at(60))
    assert seconds(cancelled) == {"waiting": 10, "checking": 8, "starting": 42}


def test_clocks_that_differ_make_no_negative_times() -> None:
    early = replace(WHOLE, first_task=at(5), last_receipt=at(17))
    assert seconds(early) == {"waiting": 10, "checking": 8, "starting": 0, "painting": 0, "joining": 365}
    assert seconds(replace(WHOLE, received=None)) == {}


def test_unknown_end_counts_for_the_earlier_stage() -> None:
    assert seconds(replace(WHOLE, admitted=None)) == {
        "waiting": 18, "checking": 0, "starting": 287, "painting": 74, "joining": 4,
    }  # fmt: skip


def test_report_of_a_run_has_its_stages(world: World) -> None:
    run_id = world.start("clip")
    world.finish(run_id)
    stages = [StageTime.model_validate(stage) for stage in world.report(run_id)["stages"]]
    assert [stage.stage for stage in stages] == ["waiting", "checking", "starting", "painting", "joining"]
    created = {item.name: item.created for item in world.storage.runs.list(f"{run_id}/")}
    queued = created[RunPaths(run_id).queued("batches")]
    assert stages[2].started_at == queued.isoformat()
    assert all(stage.seconds is not None and stage.seconds >= 0 for stage in stages)
