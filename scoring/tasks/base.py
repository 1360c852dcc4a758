"""One Batch task: what every step shares. Look before the work, record what went wrong in words, send the message last.

A task may be run again at any moment (a node is pre-empted, a message came twice), so each write is whole and is
either the same bytes again or made only if absent. Its last act is the message on `finished-batches`.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from azure.core.exceptions import AzureError

from frame_tools.cli.errors import in_words
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, ImpastoError, InputError, NextStep
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.storage.deployment import Storage

log = logging.getLogger(__name__)

EXIT_OF_A_DEFECT: Final = 1
"""Python's own, for an exception that nobody catches."""
MAX_DEFECT_WORDS: Final = 300


@dataclass(frozen=True, kw_only=True)
class Task:
    """Which step of which run this process is here for, and where it reads and writes."""

    storage: Storage
    run_id: str
    step: int | str
    task_id: str
    """Batch's id of this task, for receipt and logs."""
    dedicated: bool | None = None
    """Whether the node is a dedicated one, else Spot; None if Batch does not say."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The task's environment, which says how frames are read."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], run_id: str, step: int | str) -> Self:
        """Open what the settings DATA and OPS name."""
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
        """The step's name in blob names."""
        return ids.step_name(self.step)

    def done_mark(self) -> str:
        """Return the blob that says that the step has been done."""
        if isinstance(self.step, int):
            return RunPaths(self.run_id).receipt(self.step)
        return RunPaths(self.run_id).split_receipt if self.step == "split" else RunPaths(self.run_id).outcome

    def send_message(self) -> None:
        """Say that the step has ended, well or badly."""
        message = BatchMessage.model_validate({"run_id": self.run_id, "batch": self.step})
        self.storage.finished_batches.send(message)


def perform(task: Task, work: Callable[[Task], None]) -> None:
    """Do the step unless it is done, cancelled or has failed for good; then send the message.

    Raises what `work` raises. An InputError is permanent: it is recorded first, so that Batch's own retries, which
    come for every exit code but 0, end here at once. Of anything else a note is left, for whoever gives up retrying.
    """
    runs = task.storage.runs
    if runs.exists(RunPaths(task.run_id).cancelled) or runs.exists(RunPaths(task.run_id).outcome):
        log.info("the run has ended; nothing to do")
        return
    failure = runs.read(RunPaths(task.run_id).failure(task.step_name))
    if failure is not None:
        known = Failure.load_stored(failure.data)
        task.send_message()
        raise InputError(known.reason, known.remedy, code=known.code, next_step=known.next_step)
    if not runs.exists(task.done_mark()):
        log.info("task %s begins", task.task_id)
        try:
            work(task)
        except InputError as error:
            record_failure(task, error)
            raise
        except Exception as error:  # it goes on as it is; whatever it was, its words are for the person
            note_trouble(task, error)
            raise
    task.send_message()


def record_failure(task: Task, error: InputError) -> None:
    """Write down why the step can't be done, and say that it has ended."""
    failure = Failure(
        run_id=task.run_id,
        step=task.step_name,
        reason=error.what,
        remedy=error.remedy,
        code=error.code,
        next_step=error.next_step,
        task_id=task.task_id,
        failed_at=utc_now(),
    )
    task.storage.runs.create(RunPaths(task.run_id).failure(task.step_name), failure.dumps())
    task.send_message()


def note_trouble(task: Task, error: Exception) -> None:
    """Write down what is tried again, over what an earlier try left. Storage that is away must not hide the error."""
    told = in_words(error)
    trouble = TaskError(
        run_id=task.run_id,
        step=task.step_name,
        reason=told.what if told else _of_defect(error),
        remedy=told.remedy if told else "It is a mistake in the program: report it with its trace",
        code=told.code if told else ErrorCode.UNHANDLED_EXCEPTION,
        next_step=told.next_step if told else NextStep.REPORT_BUG,
        task_id=task.task_id,
        exit_code=told.exit_code if told else EXIT_OF_A_DEFECT,
        happened_at=utc_now(),
    )
    try:
        task.storage.runs.write(RunPaths(task.run_id).error(task.step_name), trouble.dumps())
    except (AzureError, ImpastoError) as lost:
        log.warning("the trouble could not be noted: %s", lost)


def _of_defect(error: Exception) -> str:
    """Return kind and message of an error that nobody foresaw, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:MAX_DEFECT_WORDS]


def utc_now() -> str:
    """Return the time as ISO 8601, UTC."""
    return dt.datetime.now(dt.UTC).isoformat()
