"""Tasks do not use a plan or a request that the app has not made."""

import pytest

from frame_tools.assembly import DamagedPlanError
from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import TaskError
from frame_tools.contracts.trigger import Trigger
from frame_tools.storage.in_memory import in_memory_storage
from frame_tools.storage.recorded_hashes import record_hash
from scoring.tasks.base import Task, perform
from scoring.tasks.join import join_run
from scoring.tasks.split import split_video
from tests.support.scoring_tasks import RUN, planned, score

REQUEST = Request(
    run_id=RUN,
    name="clip",
    trigger_blob="clip.json",
    trigger_etag='"1"',
    trigger=Trigger(scorer="copy", video="v.mp4"),
    folder="clip",
    received_at="2026-01-01T00:00:00+00:00",
    correlation_id=RUN,
)


@pytest.fixture
def storage():
    """Storage with a planned run whose plan the app has recorded."""
    storage = planned()
    record_hash(storage, REQUEST)
    record_hash(storage, Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data))
    return storage


def rewrite_plan(storage):
    plan = Plan.load_stored(storage.runs.need(RunPaths(RUN).plan).data)
    storage.runs.write(RunPaths(RUN).plan, plan.model_copy(update={"name": "other"}).dumps())


def test_recorded_plan_is_scored_and_a_rewritten_one_is_not(storage):
    score(storage, 0)
    rewrite_plan(storage)
    with pytest.raises(DamagedError):
        score(storage, 1)
    assert storage.runs.exists(RunPaths(RUN).receipt(0))
    assert not storage.runs.exists(RunPaths(RUN).receipt(1))
    assert TaskError.load_stored(storage.runs.need(RunPaths(RUN).error("00001")).data).next_step == "start_new_run"


def test_rewritten_plan_is_not_joined(storage):
    score(storage, 0)
    score(storage, 1)
    rewrite_plan(storage)
    with pytest.raises(DamagedPlanError):
        perform(Task(storage=storage, run_id=RUN, step="join", task_id="join"), join_run)
    assert not list(storage.output.list(RUN))


def test_video_of_a_rewritten_request_is_not_split():
    storage = in_memory_storage()
    record_hash(storage, REQUEST)
    storage.runs.write(RunPaths(RUN).request, REQUEST.model_copy(update={"folder": "other"}).dumps())
    storage.input.write("other/v.mp4", b"video")
    with pytest.raises(DamagedError):
        perform(Task(storage=storage, run_id=RUN, step="split", task_id="split"), split_video)
    assert not storage.runs.exists(RunPaths(RUN).failure("split"))
