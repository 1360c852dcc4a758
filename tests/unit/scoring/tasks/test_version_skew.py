"""A task whose node image is of another version than the app that wrote the plan."""

import json

import pytest

from frame_tools.contracts.errors import ErrorCode, ExitCode, NextStep, VersionSkewError
from frame_tools.contracts.ids import BatchRange
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.contracts.receipt import TaskError
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.storage.in_memory import in_memory_storage
from scoring.tasks.base import Task
from scoring.tasks.batches import perform_batches
from scoring.tasks.score import open_scoring
from tests.support.scoring_tasks import perform_one

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
    versions={},
)


def messages_of(storage):
    return storage.finished_batches.messages


def test_task_fails_temporarily_and_works_after_the_upgrade(tmp_path):
    storage = in_memory_storage()
    newer = json.loads(PLAN.dumps()) | {"version": 99, "impasto_version": "9.8.7", "new_field": 1}
    storage.runs.write(PATHS.plan, json.dumps(newer).encode())
    task = Task(storage=storage, run_id=PATHS.run_id, step=0, task_id="b00000")
    with pytest.raises(VersionSkewError) as caught:
        perform_batches(task, BatchRange(0, 0), lambda: open_scoring(task, weights=tmp_path, started=0.0))
    assert "Impasto 9.8.7" in caught.value.what
    assert f"this is Impasto {IMPASTO_VERSION}" in caught.value.what
    assert not storage.runs.exists(PATHS.failure("00000"))
    recorded = TaskError.load_stored(storage.runs.need(PATHS.error("00000")).data)
    assert (recorded.code, recorded.next_step) == (ErrorCode.VERSION_SKEW, NextStep.ASK_OPERATOR)
    assert recorded.exit_code == ExitCode.TEMPORARY
    assert messages_of(storage) == []

    storage.runs.write(PATHS.plan, PLAN.dumps())
    plans = []

    def work(task):
        plans.append(Plan.load_stored(task.storage.runs.need(PATHS.plan).data))
        task.storage.runs.create(PATHS.receipt(0), b"")
        task.send_message()

    perform_one(task, work)
    assert plans == [PLAN]
    assert len(messages_of(storage)) == 1
