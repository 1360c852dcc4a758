"""Services that are away, busy or out of quota: a run waits with the reason, however long, and then goes on."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from azure.core.exceptions import ServiceRequestError

from frame_tools.contracts.errors import ErrorCode, ExitCode, NextStep, TemporaryError
from orchestration.app import App
from orchestration.azure_batch.in_memory import InMemoryBatch
from orchestration.delays import MAX_FAILED_SWEEPS
from orchestration.handlers.resubmit import resubmit
from orchestration.preflight import preflight, read_check
from orchestration.service_errors import service_error
from tests.support.in_memory_host import InMemoryHost, record_error
from tests.support.interception import intercept
from tests.support.memory_world import InMemoryCloud, with_access_hook
from tests.support.world import World

SWEEPS = 20


@pytest.fixture
def host(cloud: InMemoryCloud, world: World) -> InMemoryHost:
    return InMemoryHost(cloud, world)


def without_batch(app: App) -> App:
    """Return the app while Batch does not answer."""

    def refuse(accessed: str, writes: bool) -> None:
        del writes
        if accessed == "batch":
            raise service_error(ServiceRequestError("connection refused"), "Azure Batch")

    assert isinstance(app.batch, InMemoryBatch)
    return replace(app, batch=app.batch.with_hook(refuse))


def without_quota(app: App) -> App:
    """Return the app while the account has its maximum of active jobs."""

    def refuse(*_: object, **_options: object) -> bool:
        raise TemporaryError("Batch rejected the job: ActiveJobAndScheduleQuotaReached", "Try again")

    return replace(app, batch=intercept(app.batch, ensure_job=refuse))


def without_storage(app: App) -> App:
    """Return the app while storage does not answer."""

    def refuse(accessed: str, writes: bool) -> None:
        del writes
        if accessed != "batch":
            raise ServiceRequestError("connection refused")

    return with_access_hook(app, refuse)


def to_queued_split(host: InMemoryHost) -> str:
    return host.world.fire_trigger(host.world.upload_video())


def to_queued_batches(host: InMemoryHost) -> str:
    return host.world.start("clip", 4)


def to_tasks(host: InMemoryHost) -> str:
    run_id = host.world.start("clip", 4)
    host.deliver()
    return run_id


def to_queued_join(host: InMemoryHost) -> str:
    """Take a run, whose join takes a task, to its last receipt."""
    host.world = host.world.changed(join_in_function_bytes=1)
    run_id = to_tasks(host)
    host.execute_tasks()
    return run_id


STAGES = [to_queued_split, to_queued_batches, to_tasks, to_queued_join]


def outlast(host: InMemoryHost, run_id: str, outage: Callable[[App], App], *, reason: str) -> None:
    """Play 20 sweeps during an outage; assert that the run waits with the reason, then that it finishes."""
    present = host.world
    host.world = World(outage(present.app))
    for _ in range(SWEEPS):
        host.deliver()
        host.sweep()
        present.clock.advance(minutes=2)
    host.world = present
    assert host.outcome(run_id) is None
    assert present.status_document(run_id)["failures"] == {}
    if reason:
        assert any(reason in problem for problem in present.status_document(run_id)["trouble"])
    assert host.play_until_end(run_id).status == "finished"
    assert present.status_document(run_id)["trouble"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_run_outlasts_batch(host: InMemoryHost, stage: Callable[[InMemoryHost], str]) -> None:
    outlast(host, stage(host), without_batch, reason="Azure Batch did not answer")


@pytest.mark.parametrize("stage", [to_queued_split, to_queued_batches])
def test_run_outlasts_the_quota_of_jobs(host: InMemoryHost, stage: Callable[[InMemoryHost], str]) -> None:
    outlast(host, stage(host), without_quota, reason="ActiveJobAndScheduleQuotaReached")


@pytest.mark.parametrize("stage", STAGES)
def test_run_outlasts_storage(host: InMemoryHost, stage: Callable[[InMemoryHost], str]) -> None:
    outlast(host, stage(host), without_storage, reason="")


def test_batch_that_is_away_is_asked_once(host: InMemoryHost) -> None:
    """HTTP promises an answer within 15 seconds, and one request to a service that is away takes most of them."""
    run_id = to_queued_batches(host)
    requests: list[str] = []

    def refuse(accessed: str, writes: bool) -> None:
        del writes
        if accessed == "batch":
            requests.append(accessed)
            raise service_error(ServiceRequestError("connection refused"), "Azure Batch")

    with pytest.raises(TemporaryError):
        resubmit(with_access_hook(host.app, refuse), run_id, "missing")
    assert len(requests) == 1


def test_delay_ends_when_the_run_proceeds(host: InMemoryHost) -> None:
    run_id = to_queued_batches(host)
    present = host.world
    host.world = World(without_batch(present.app))
    host.deliver()
    host.world = present
    assert present.status_document(run_id)["trouble"]
    present.clock.advance(minutes=5)
    host.sweep()
    assert present.status_document(run_id)["trouble"] == []
    assert len(present.tasks(run_id)) == 2


def test_unexpected_error_ends_the_run_after_several_sweeps(host: InMemoryHost) -> None:
    run_id = to_tasks(host)
    present = host.world

    def fail(*_: object) -> None:
        raise ValueError("secret")

    host.world = World(replace(present.app, batch=intercept(present.app.batch, tasks=fail)))
    for _ in range(MAX_FAILED_SWEEPS - 1):
        host.sweep()
        assert host.outcome(run_id) is None
    assert "ValueError" in present.status_document(run_id)["trouble"][0]
    host.sweep()
    outcome = present.outcome(run_id)
    assert (outcome.status, outcome.code, outcome.next_step) == (
        "failed",
        ErrorCode.RUN_NOT_COMPLETED,
        NextStep.RESUBMIT,
    )
    assert "secret" not in outcome.reason
    host.world = present
    resubmit(host.app, run_id, "missing")
    assert host.play_until_end(run_id).status == "finished"


def end_tasks_without_storage(host: InMemoryHost, run_id: str) -> int:
    """End the run's active tasks as if their node could not reach storage for a while; return their number."""
    active = [task for task in host.world.tasks(run_id).values() if task.is_active]
    for task in active:
        error = TemporaryError("Storage error: timed out", "Check that storage is reachable")
        record_error(host.world, run_id, 0, task_id=task.task_id, error=error)
        host.cloud.jobs.end_step(run_id, 0, exit_code=ExitCode.TEMPORARY)
    return len(active)


def test_tasks_that_cannot_reach_storage_are_retried_after_longer_and_longer_pauses(host: InMemoryHost) -> None:
    run_id = host.world.start("clip", 2)
    host.deliver()
    attempts = []
    for minute in range(120):
        if end_tasks_without_storage(host, run_id):
            attempts.append(minute)
        host.world.clock.advance(minutes=1)
        host.sweep()
    pauses = [after - before for before, after in itertools.pairwise(attempts)]
    assert len(pauses) >= 5
    assert pauses == sorted(pauses)
    assert host.outcome(run_id) is None
    assert "Storage error" in host.world.status_document(run_id)["trouble"][0]
    host.world.clock.advance(hours=1)
    assert host.play_until_end(run_id).status == "finished"


def test_pool_is_checked_again_after_batch_was_away(host: InMemoryHost) -> None:
    run_id = to_queued_batches(host)
    present = host.world
    host.world = World(without_batch(present.app))
    host.deliver()
    host.world = present
    host.play(rounds=3)
    check = read_check(present.storage, run_id)
    assert check is not None
    assert check.has_pool


def test_preflight_asks_all_services_at_the_same_time(world: World) -> None:
    """Each check waits for all others, so that the test ends only if none waits for its turn."""
    barrier = threading.Barrier(11, timeout=30)

    def meet(original: Callable[[], object]) -> object:
        barrier.wait()
        return original()

    storage = world.storage
    names = ("input", "triggers", "work", "output", "runs", "logs", "frame_batches", "finished_batches")
    containers = {name: intercept(getattr(storage, name), is_created=meet) for name in names}
    batch = intercept(world.app.batch, pool=meet, supported_agents=meet, node_counts=meet)
    app = replace(world.app, storage=replace(storage, **containers), batch=batch)
    checks = preflight(app)["checks"]
    assert not barrier.broken
    assert len(checks) >= len(names)


def test_preflight_reports_services_that_are_away(world: World) -> None:
    def refuse(_: object) -> bool:
        raise ServiceRequestError("connection refused")

    storage = replace(
        world.storage,
        runs=intercept(world.storage.runs, is_created=refuse),
        frame_batches=intercept(world.storage.frame_batches, is_created=refuse),
    )
    result = preflight(replace(without_batch(world.app), storage=storage))
    assert result["ready"] is False
    away = {check["check"] for check in result["checks"] if check["verdict"] in ("stop", "unknown")}
    assert away == {"container runs", "queue frame-batches", "pool"}
