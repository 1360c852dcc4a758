"""For every kind of error that the system reports: how it comes about, and what its remedy asks for.

`tests/scenarios/test_remedies.py` brings each about, follows the remedy literally and expects a video;
`tests/architecture/test_remedies.py` finds kinds without a case.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from frame_tools.contracts import ids
from frame_tools.contracts.errors import (
    ErrorCode,
    ImpastoError,
    InputError,
    InternalError,
    MissingError,
    NextStep,
    TemporaryError,
)
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.version import IMPASTO_VERSION
from orchestration.azure_batch.ports import BatchClient
from orchestration.delays import MAX_FAILED_SWEEPS
from orchestration.handlers.poison import batch_poisoned, finish_poisoned, trigger_poisoned
from tests.support.in_memory_host import InMemoryHost
from tests.support.interception import intercept
from tests.support.world import World, drain, message

Kind = tuple[ErrorCode, NextStep]
Where = Literal["outcome", "failure", "trouble"]


def nothing(_host: InMemoryHost, _run_id: str) -> None:
    """Change nothing: the remedy asks for no change."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """An error of a run."""

    cause: Callable[[InMemoryHost], str]
    """Brings the error about; returns the run's id."""
    reported_in: Where
    """Where code and next step are: the run's outcome, the failure of its step, or a delay, whose status says more."""
    fix: Callable[[InMemoryHost, str], None] = nothing
    """Does what the remedy asks for before the next step."""


def start(host: InMemoryHost) -> str:
    return host.world.start("clip", 4)


def task_ends_with(error: Exception) -> Callable[[InMemoryHost], str]:
    """Return the cause "the tasks of batch 1 end with this error"."""

    def cause(host: InMemoryHost) -> str:
        host.task_errors[1] = error
        run_id = start(host)
        host.play_until_end(run_id, rounds=12)
        return run_id

    return cause


def remove_cause(host: InMemoryHost, _run_id: str) -> None:
    host.task_errors.clear()


def of_task(error: Exception) -> Case:
    """Return the case of an error that ends a task."""
    return Case(cause=task_ends_with(error), reported_in="failure", fix=remove_cause)


def task_waits_with(error: ImpastoError) -> Case:
    """Return the case of an error that passes by itself, so that the task is retried until it has."""

    def cause(host: InMemoryHost) -> str:
        host.task_errors[1] = error
        run_id = start(host)
        host.play(rounds=12)
        return run_id

    return Case(cause=cause, reported_in="trouble", fix=remove_cause)


def without_pool(host: InMemoryHost) -> str:
    present = host.world
    host.world = World(replace(present.app, batch=_with(present.app.batch, pool=lambda _: None)))
    run_id = start(host)
    host.deliver()
    host.world = present
    return run_id


def _with(batch: BatchClient, **hooks: Callable[..., object]) -> BatchClient:
    return intercept(batch, **hooks)


def failing_sweeps(host: InMemoryHost) -> str:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    run_id = start(host)
    present = host.world
    host.deliver()
    host.world = World(replace(present.app, batch=_with(present.app.batch, tasks=fail)))
    for _ in range(MAX_FAILED_SWEEPS):
        host.sweep()
    host.world = present
    return run_id


def expired(host: InMemoryHost) -> str:
    run_id = start(host)
    host.world.clock.advance(hours=host.app.settings.run_hours + 1)
    host.sweep()
    return run_id


OWN_WRITER: Final = b'"impasto_version": "%s"' % IMPASTO_VERSION.encode()
OTHER_WRITER: Final = b'"new_field": 1, "impasto_version": "9.8.7"'


def rewrite_as_another_version(host: InMemoryHost, name: str) -> None:
    """Add a field to a stored document that this version does not know."""
    data = host.world.storage.runs.need(name).data
    host.world.storage.runs.write(name, data.replace(OWN_WRITER, OTHER_WRITER))


def expired_in_an_upgrade(host: InMemoryHost) -> str:
    """A request that only another version can read, until the time limit."""
    run_id = start(host)
    rewrite_as_another_version(host, RunPaths(run_id).request)
    host.world.clock.advance(hours=host.app.settings.run_hours + 1)
    host.sweep()
    return run_id


def in_an_upgrade(host: InMemoryHost) -> str:
    run_id = start(host)
    rewrite_as_another_version(host, RunPaths(run_id).plan)
    host.play(rounds=2)
    return run_id


def finish_upgrade(host: InMemoryHost, run_id: str) -> None:
    """Deploy the version that reads the new field: what the older one could not read is readable."""
    name = RunPaths(run_id).plan
    data = host.world.storage.runs.need(name).data
    host.world.storage.runs.write(name, data.replace(OTHER_WRITER, OWN_WRITER))


def poisoned_trigger(host: InMemoryHost) -> str:
    def create(original: Callable[[str, bytes], bool], name: str, data: bytes) -> bool:
        if name.startswith("open/"):
            raise ValueError("a bug")
        return original(name, data)

    host.world.upload_frames("clip", 4)
    blob = host.world.upload_trigger("clip")
    trigger_poisoned(
        host.world.intercepted("runs", create=create).app, f'{{"ContainerName": "triggers", "BlobName": "{blob}"}}'
    )
    (run_id,) = (folder for folder in host.world.storage.runs.folders() if ids.RUN_ID.fullmatch(folder))
    return run_id


def poisoned(handler: Callable[..., None]) -> Callable[[InMemoryHost], str]:
    def cause(host: InMemoryHost) -> str:
        run_id = start(host)
        drain(host.world.storage.frame_batches)
        handler(host.app, message(run_id, 0))
        return run_id

    return cause


def batch_answers(status_error: ImpastoError) -> Callable[[InMemoryHost], str]:
    def refuse(*_: object, **_options: object) -> bool:
        raise status_error

    def cause(host: InMemoryHost) -> str:
        run_id = start(host)
        present = host.world
        host.world = World(replace(present.app, batch=_with(present.app.batch, ensure_job=refuse)))
        host.play(rounds=8)
        host.world = present
        return run_id

    return cause


def damaged_segment(host: InMemoryHost) -> str:
    run_id = start(host)
    host.deliver()
    host.execute_tasks()
    host.world.storage.work.write(RunPaths(run_id).segment(0), b"damaged")
    drain(host.world.storage.finished_batches)
    return run_id


def damaged_request(host: InMemoryHost) -> str:
    run_id = start(host)
    host.world.storage.runs.write(RunPaths(run_id).request, b"{")
    host.sweep()
    return run_id


def frame_is_missing(host: InMemoryHost) -> str:
    run_id = start(host)
    host.world.storage.input.delete("clip/frames/000003.jpg")
    host.play_until_end(run_id)
    return run_id


def upload_frames_again(host: InMemoryHost, _run_id: str) -> None:
    host.world.upload_frames("clip", 4)


def split_frame_is_damaged(host: InMemoryHost) -> str:
    run_id = host.world.fire_trigger(host.world.upload_video())
    host.deliver()
    host.execute_tasks()
    host.world.storage.work.write(f"{RunPaths(run_id).split_folder}/frames/000001.jpg", b"damaged")
    host.play_until_end(run_id, rounds=12)
    return run_id


def without_frames(host: InMemoryHost) -> str:
    return host.world.fire_trigger(host.world.upload_trigger("clip"))


FIX_INPUT_ERROR = InputError("The mask is too large", "Upload a smaller one")

REMEDIES: Final[dict[Kind, Case]] = {
    (ErrorCode.INVALID_INPUT, NextStep.FIX_INPUT): of_task(FIX_INPUT_ERROR),
    (ErrorCode.INVALID_INPUT, NextStep.RESUBMIT): Case(
        cause=frame_is_missing, reported_in="outcome", fix=upload_frames_again
    ),
    (ErrorCode.INVALID_INPUT, NextStep.START_NEW_RUN): Case(
        cause=without_frames, reported_in="outcome", fix=upload_frames_again
    ),
    (ErrorCode.DAMAGED_DATA, NextStep.RESUBMIT): Case(cause=split_frame_is_damaged, reported_in="outcome"),
    (ErrorCode.DAMAGED_DATA, NextStep.RETRY_LATER): Case(cause=damaged_segment, reported_in="trouble"),
    (ErrorCode.DAMAGED_DATA, NextStep.START_NEW_RUN): Case(cause=damaged_request, reported_in="outcome"),
    (ErrorCode.INPUT_CHANGED, NextStep.RESUBMIT): of_task(
        InputError(
            "A frame was replaced",
            "Upload the original again, then resubmit",
            code=ErrorCode.INPUT_CHANGED,
            next_step=NextStep.RESUBMIT,
        )
    ),
    (ErrorCode.INPUT_CHANGED, NextStep.START_NEW_RUN): of_task(
        InputError(
            "The video was replaced while it was being read",
            "Upload the trigger file again",
            code=ErrorCode.INPUT_CHANGED,
            next_step=NextStep.START_NEW_RUN,
        )
    ),
    (ErrorCode.NOT_FOUND, NextStep.FIX_INPUT): of_task(MissingError("A blob is missing", "Upload it")),
    (ErrorCode.INTERNAL_ERROR, NextStep.REPORT_BUG): of_task(InternalError("A bug", "Report it")),
    (ErrorCode.INTERNAL_ERROR, NextStep.RESUBMIT): of_task(
        InternalError("The numbers overflow", "Set the precision, then resubmit", next_step=NextStep.RESUBMIT)
    ),
    (ErrorCode.INTERNAL_ERROR, NextStep.START_NEW_RUN): of_task(
        InternalError("The program failed", "Upload the trigger file again", next_step=NextStep.START_NEW_RUN)
    ),
    (ErrorCode.UNHANDLED_EXCEPTION, NextStep.REPORT_BUG): of_task(ZeroDivisionError("a bug")),
    (ErrorCode.DISK_FULL, NextStep.RETRY_LATER): of_task(OSError(errno.ENOSPC, "No space left on device")),
    (ErrorCode.TEMPORARY_FAILURE, NextStep.RETRY_LATER): task_waits_with(TemporaryError("Storage is away", "Wait")),
    (ErrorCode.TEMPORARY_FAILURE, NextStep.ASK_OPERATOR): Case(
        cause=batch_answers(TemporaryError("Access denied", "Grant the role", next_step=NextStep.ASK_OPERATOR)),
        reported_in="trouble",
    ),
    (ErrorCode.TEMPORARY_FAILURE, NextStep.START_NEW_RUN): of_task(
        TemporaryError("Out of memory", "Lower max_side, upload the trigger file", next_step=NextStep.START_NEW_RUN)
    ),
    (ErrorCode.VERSION_SKEW, NextStep.ASK_OPERATOR): Case(
        cause=in_an_upgrade, reported_in="trouble", fix=finish_upgrade
    ),
    (ErrorCode.TASK_FAILED, NextStep.ASK_OPERATOR): Case(
        cause=lambda host: killed_task(host), reported_in="failure", fix=remove_cause
    ),
    (ErrorCode.TASK_NOT_CREATED, NextStep.RETRY_LATER): Case(cause=poisoned(batch_poisoned), reported_in="trouble"),
    (ErrorCode.RUN_NOT_COMPLETED, NextStep.RETRY_LATER): Case(cause=poisoned(finish_poisoned), reported_in="trouble"),
    (ErrorCode.RUN_NOT_COMPLETED, NextStep.RESUBMIT): Case(cause=failing_sweeps, reported_in="outcome"),
    (ErrorCode.RUN_NOT_STARTED, NextStep.START_NEW_RUN): Case(cause=poisoned_trigger, reported_in="outcome"),
    (ErrorCode.RUN_TIMED_OUT, NextStep.RESUBMIT): Case(cause=expired, reported_in="outcome"),
    (ErrorCode.RUN_TIMED_OUT, NextStep.START_NEW_RUN): Case(cause=expired_in_an_upgrade, reported_in="outcome"),
    (ErrorCode.POOL_UNUSABLE, NextStep.ASK_OPERATOR): Case(cause=without_pool, reported_in="outcome"),
}
"""Code and next step of an error -> its case."""


def killed_task(host: InMemoryHost) -> str:
    """Let the kernel kill the tasks of batch 1: they leave no error, only an exit code."""
    run_id = start(host)
    host.deliver()
    for _ in range(host.app.settings.sweep_retries + 1):
        host.cloud.jobs.end_step(run_id, 1, exit_code=137)
        host.execute_tasks()
        host.sweep()
        host.deliver()
    host.cloud.jobs.end_step(run_id, 1, exit_code=137)
    host.sweep()
    return run_id
