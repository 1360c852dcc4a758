"""A task whose node image is of another version than the app that wrote the plan."""

import json

import pytest

from benchmarks.memory_storage import memory_storage
from frame_tools.contracts.errors import ErrorCode, ExitCode, NextStep, VersionSkewError
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.contracts.receipt import TaskError
from frame_tools.contracts.version import IMPASTO_VERSION
from scoring.tasks.base import Task, perform
from scoring.tasks.score import score_batch

PATHS = RunPaths("clip-0123456789")
PLAN = Plan(
    run_id=PATHS.run_id,
    name="clip",
    correlation_id=PATHS.run_id,
    options=Options(scorer="copy"),
    borders=(0, 2),
    manifest_sha256="a" * 64,
    frames=BlobRef(container="input", name="clip/frames/"),
    container="mp4",
)


def test_task_fails_temporarily_and_works_after_the_upgrade():
    storage = memory_storage()
    newer = json.loads(PLAN.dumps()) | {"version": 99, "impasto_version": "9.8.7", "new_field": 1}
    storage.runs.write(PATHS.plan, json.dumps(newer).encode())
    task = Task(storage=storage, run_id=PATHS.run_id, step=0, task_id="b00000")
    with pytest.raises(VersionSkewError) as caught:
        perform(task, lambda task: score_batch(task, weights=None, started=0.0))
    assert "Impasto 9.8.7" in caught.value.what
    assert f"this is Impasto {IMPASTO_VERSION}" in caught.value.what
    assert not storage.runs.exists(PATHS.failure("00000"))
    noted = TaskError.load_stored(storage.runs.need(PATHS.error("00000")).data)
    assert (noted.code, noted.next_step) == (ErrorCode.VERSION_SKEW, NextStep.ASK_OPERATOR)
    assert noted.exit_code == ExitCode.TEMPORARY
    assert not storage.finished_batches.messages

    storage.runs.write(PATHS.plan, PLAN.dumps())
    plans = []
    perform(task, lambda task: plans.append(Plan.load_stored(task.storage.runs.need(PATHS.plan).data)))
    assert plans == [PLAN]
    assert len(storage.finished_batches.messages) == 1
