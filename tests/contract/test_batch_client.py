"""What the handlers build on holds on a Batch service behind the real SDK, and in the tests' memory."""

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from local_cloud.cloud import Cloud
from orchestration.app import App
from orchestration.azure_batch.client import BatchService
from orchestration.azure_batch.in_memory import InMemoryBatch, InMemoryJobs
from orchestration.azure_batch.ports import BatchClient, JobView, SubmitResult
from orchestration.azure_batch.task_spec import TaskSpec

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A Batch service, and how its tasks come to a bad end."""

    batch: BatchClient
    end: Callable[[str, str], None]
    job: str

    def ensure(self) -> bool:
        return self.batch.ensure_job(self.job, correlation_id="run", priority=-30)

    def states(self) -> dict[str, str]:
        return {task.task_id: task.state for task in self.batch.tasks(self.job)}


@pytest.fixture(params=["service", "memory"])
def place(request: pytest.FixtureRequest) -> Place:
    job = f"contract-{next(_numbers)}"
    if request.param == "memory":
        jobs = InMemoryJobs()
        return Place(InMemoryBatch(jobs), jobs.fail_task, job)
    emulators: Cloud = request.getfixturevalue("emulators")
    batch = App.from_environment(emulators.settings).batch
    assert isinstance(batch, BatchService)
    return Place(batch, batch._client.terminate_task, job)


def spec(task_id: str) -> TaskSpec:
    return TaskSpec(
        task_id=task_id, command="true", image="i:1", output_folder="f", retries=0, limit=dt.timedelta(minutes=1)
    )


def test_missing_job_has_no_tasks_and_accepts_none(place: Place) -> None:
    assert not place.batch.job_is_open(place.job)
    assert place.batch.tasks(place.job) == []
    assert place.batch.add_task(place.job, spec("a")) == SubmitResult.JOB_CLOSED
    assert place.batch.add_tasks(place.job, [spec("a")]) == SubmitResult.JOB_CLOSED
    assert place.batch.reactivate(place.job, "a") is False
    place.batch.terminate_job(place.job, "there is none")
    assert place.ensure(), "ending a job that is not there does not keep it from being made"


def test_job_and_task_ids_are_unique(place: Place) -> None:
    assert place.ensure()
    assert place.ensure()
    assert place.batch.job_is_open(place.job)
    assert place.batch.add_task(place.job, spec("a")) == SubmitResult.ADDED
    assert place.batch.add_task(place.job, spec("a")) == SubmitResult.EXISTS
    assert place.batch.add_tasks(place.job, [spec("b"), spec("c")]) == SubmitResult.ADDED
    assert place.batch.add_tasks(place.job, [spec("c"), spec("d")]) == SubmitResult.EXISTS
    assert place.states() == dict.fromkeys("abcd", "active")


def test_only_failed_tasks_are_reactivated(place: Place) -> None:
    place.ensure()
    place.batch.add_tasks(place.job, [spec("a"), spec("b")])
    place.end(place.job, "a")
    ended = {task.task_id: (task.is_active, task.succeeded) for task in place.batch.tasks(place.job)}
    assert ended == {"a": (False, False), "b": (True, False)}
    assert place.batch.reactivate(place.job, "a") is True
    assert place.batch.reactivate(place.job, "b") is False
    assert place.states() == {"a": "active", "b": "active"}


def test_terminated_job_accepts_no_tasks(place: Place) -> None:
    place.ensure()
    place.batch.add_tasks(place.job, [spec("a"), spec("b")])
    place.end(place.job, "a")
    for _ in range(2):
        place.batch.terminate_job(place.job, "enough")
        assert not place.batch.job_is_open(place.job)
        assert place.ensure() is False
        assert place.batch.add_task(place.job, spec("c")) == SubmitResult.JOB_CLOSED
        assert place.batch.add_tasks(place.job, [spec("c")]) == SubmitResult.JOB_CLOSED
        assert place.batch.reactivate(place.job, "a") is False
    assert place.states() == {"a": "completed", "b": "active"}, "what waited waits for ever"


def test_job_has_a_priority_that_can_be_changed(place: Place) -> None:
    assert place.batch.job(place.job) is None
    place.batch.set_priority(place.job, 5)
    place.ensure()
    assert place.batch.job(place.job) == JobView(is_open=True, priority=-30)
    place.batch.set_priority(place.job, 40)
    place.ensure()
    assert place.batch.job(place.job) == JobView(is_open=True, priority=40)
    place.batch.terminate_job(place.job, "it ends")
    place.batch.set_priority(place.job, 50)


def test_missing_file_of_a_task_is_none(place: Place) -> None:
    assert place.batch.file_tail(place.job, "a", "stderr.txt", limit=10) is None
    place.ensure()
    place.batch.add_task(place.job, spec("a"))
    assert place.batch.file_tail(place.job, "a", "other.txt", limit=10) is None


def test_pool_without_nodes_lists_none(place: Place) -> None:
    assert place.batch.nodes(limit=100) == []
