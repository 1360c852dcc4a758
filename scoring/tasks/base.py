"""The shell of every Batch task: check for work, do it, record errors, and send the completion message last.

A task may run again at any time (a preempted node, a duplicate message), so each write is atomic and either repeats the
same bytes or happens only if the blob does not exist. The message on `finished-batches` is the last action.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from azure.core.exceptions import AzureError

from frame_tools.cli.errors import to_impasto_error
from frame_tools.contracts import ids
from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ImpastoError,
    InputError,
    NextStep,
    ProgramError,
    VersionSkewError,
    sentence,
)
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.storage.deployment import Storage

_log = logging.getLogger(__name__)

UNHANDLED_EXIT_CODE: Final = 1
"""Python's exit code for an unhandled exception."""
MAX_EXCEPTION_TEXT: Final = 300
"""Characters of an unhandled exception that are recorded."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The step of a run that this process executes, and the storage that it uses."""

    storage: Storage
    run_id: str
    step: int | str
    task_id: str
    """ID of this task in Batch, for receipt and logs."""
    dedicated: bool | None = None
    """True for a dedicated node, False for Spot; None if Batch does not say."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Environment of the task, which selects how frames are read."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], run_id: str, step: int | str) -> Self:
        """Return the task with the storage accounts that the settings DATA and OPS name."""
        return cls(
            storage=Storage.from_environment(environ),
            run_id=ids.check_run_id(run_id),
            step=step,
            task_id=environ.get("AZ_BATCH_TASK_ID", "by-hand"),
            dedicated={"true": True, "false": False}.get(environ.get("AZ_BATCH_NODE_IS_DEDICATED", "").lower()),
            environ=environ,
        )

    @property
    def step_name(self) -> str:
        """Name of the step in blob names."""
        return ids.step_name(self.step)

    def completion_blob(self) -> str:
        """Return the blob whose existence means that the step, which is not a batch, is done."""
        return RunPaths(self.run_id).split_receipt if self.step == "split" else RunPaths(self.run_id).outcome

    def send_message(self) -> None:
        """Report that the step has ended, successfully or not."""
        message = BatchMessage.model_validate({"run_id": self.run_id, "batch": self.step})
        self.storage.finished_batches.send(message)


def perform(task: Task, work: Callable[[Task], None]) -> None:
    """Do the step unless it is done, cancelled or permanently failed; then send the message.

    Raises what `work` raises, after recording it.
    """
    runs = task.storage.runs
    if has_ended(task):
        return
    failure = runs.read(RunPaths(task.run_id).failure(task.step_name))
    if failure is not None:
        task.send_message()
        raise failure_error(Failure.load_stored(failure.data))
    if not runs.exists(task.completion_blob()):
        _log.info("Task %s begins", task.task_id)
        try:
            work(task)
        except Exception as error:  # whatever it is, the sweep and the user need its reason
            record(task, error)
            raise
    task.send_message()


def has_ended(task: Task) -> bool:
    """Return whether the task's run has ended or is about to."""
    runs, names = task.storage.runs, RunPaths(task.run_id)
    if runs.exists(names.cancelled) or runs.exists(names.outcome):
        _log.info("The run has ended; there is nothing to do")
        return True
    return False


def failure_error(failure: Failure) -> InputError:
    """Return the error of a recorded failure."""
    return InputError(failure.reason, failure.remedy, code=failure.code, next_step=failure.next_step)


def record(task: Task, error: Exception) -> None:
    """Record an error of the step.

    An InputError is permanent: it is recorded as the step's failure, so that Batch's retries, which follow every exit
    code but 0, end at once. So is the second ProgramError with the same text: an operator's program that fails twice in
    the same way is not paid for again. Any other error is recorded for the failure report in case retries run out.
    """
    if isinstance(error, InputError):
        record_failure(task, error)
    elif isinstance(error, ProgramError) and _is_repeated(task, error):
        output = f"logs/{RunPaths(task.run_id).task_output_folder(task.task_id)}/stderr.txt"
        record_failure(task, error, remedy=f"{sentence(error.remedy)} See {output} for details.")
    else:
        record_error(task, error)


def _is_repeated(task: Task, error: ProgramError) -> bool:
    """Return whether an earlier attempt at the step ended with the same error of the operator's program."""
    blob = task.storage.runs.read(RunPaths(task.run_id).error(task.step_name))
    if blob is None:
        return False
    try:
        return TaskError.load_stored(blob.data).reason == error.what
    except (DamagedError, VersionSkewError):
        return False


def record_failure(task: Task, error: ImpastoError, *, remedy: str | None = None) -> None:
    """Record a permanent failure of the step, and report that the step has ended; `remedy` replaces the error's."""
    failure = Failure(
        run_id=task.run_id,
        step=task.step_name,
        reason=error.what,
        remedy=remedy or error.remedy,
        code=error.code,
        next_step=error.next_step,
        task_id=task.task_id,
        failed_at=utc_now(),
    )
    task.storage.runs.create(RunPaths(task.run_id).failure(task.step_name), failure.dumps())
    task.send_message()


def record_error(task: Task, error: Exception) -> None:
    """Record an error that is retried, replacing that of an earlier attempt. Storage errors must not hide it."""
    known_error = to_impasto_error(error)
    task_error = TaskError(
        run_id=task.run_id,
        step=task.step_name,
        reason=known_error.what if known_error else _exception_text(error),
        remedy=known_error.remedy if known_error else "This is a bug in the program: report it with its traceback",
        code=known_error.code if known_error else ErrorCode.UNHANDLED_EXCEPTION,
        next_step=known_error.next_step if known_error else NextStep.REPORT_BUG,
        task_id=task.task_id,
        exit_code=known_error.exit_code if known_error else UNHANDLED_EXIT_CODE,
        happened_at=utc_now(),
    )
    try:
        task.storage.runs.write(RunPaths(task.run_id).error(task.step_name), task_error.dumps())
    except (AzureError, ImpastoError) as storage_error:
        _log.warning("The error could not be recorded: %s", storage_error)


def _exception_text(error: Exception) -> str:
    """Return type and message of an unexpected exception, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:MAX_EXCEPTION_TEXT]


def utc_now() -> str:
    """Return the current time as ISO 8601, UTC."""
    return dt.datetime.now(dt.UTC).isoformat()
