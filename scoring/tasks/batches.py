"""The shell of a task of several batches: score those that are missing, and go on after one that cannot be scored.

Batches are scored together as far as possible. After an error they are scored one by one until the error occurs again,
so that it is recorded for the batch that it belongs to. An error that passes by itself ends the task at once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace

from azure.core.exceptions import AzureError

from frame_tools.cli.errors import to_impasto_error
from frame_tools.contracts.errors import ImpastoError, InputError, InternalError, TemporaryError
from frame_tools.contracts.ids import BatchRange, step_name
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure
from frame_tools.storage.recorded_hashes import load_plan
from frame_tools.storage.settled import settled_batches
from scoring.tasks.base import Task, failure_error, has_ended, record

_log = logging.getLogger(__name__)

ScoreBatches = Callable[[Sequence[int]], None]
"""Scores consecutive batches; writes receipt and message of each as soon as it is done."""


def perform_batches(
    task: Task, batches: BatchRange, open_scoring: Callable[[], AbstractContextManager[ScoreBatches]]
) -> None:
    """Score the batches that are neither done nor failed permanently.

    `open_scoring` opens what scores them; it is not called if nothing is missing. Raises the first error that is
    retried, else the first that is not, among them failures that an earlier attempt has recorded.
    """
    if has_ended(task):
        return
    done, failed = settled_batches(task.storage.runs, task.run_id, batches)
    settled = sorted((done | failed) - _kept(task) if done | failed else ())
    if settled:  # the attempt that recorded the last one may have died before it sent the message
        _for_batch(task, settled[-1]).send_message()
    missing = [batch for batch in batches.numbers if batch not in done | failed]
    errors: dict[int, Exception] = {}
    if missing:
        _log.info("Task %s begins", task.task_id)
        with ExitStack() as stack:
            try:
                score = stack.enter_context(open_scoring())
            except Exception as error:  # whatever it is, no batch can be scored, and each needs the reason
                _record_for_all(task, missing, error)
                raise
            errors = _score_all(task, batches, score)
    _raise_first(task, errors, failed)


def _kept(task: Task) -> frozenset[int]:
    """Return the batches whose receipts were there before the run's first task: no attempt was to report them.

    Empty if the plan cannot be used, which is an error where the batches are scored.
    """
    try:
        plan, _ = load_plan(task.storage, task.run_id)
    except ImpastoError:
        return frozenset()
    return frozenset(range(plan.batch_count)).difference(plan.scored) | plan.kept_receipts.keys()


def _score_all(task: Task, batches: BatchRange, score: ScoreBatches) -> dict[int, Exception]:
    """Score all missing batches; return the errors that belong to single ones."""
    errors: dict[int, Exception] = {}
    is_careful = False
    # Each pass completes a batch or finds an error; those whose receipts are invalidated meanwhile get another one.
    for _ in range(4 * len(batches.numbers)):
        together = _next_missing(task, batches, errors)
        if not together:
            return errors
        if is_careful:
            together = together[:1]
        try:
            score(together)
        except Exception as error:  # a defect in one batch, too, must not stop the others
            if isinstance(to_impasto_error(error), TemporaryError):
                record(_for_batch(task, _first_missing(task, batches, together)), error)
                raise
            if len(together) == 1:
                errors[together[0]] = error
                record(_for_batch(task, together[0]), error)
                is_careful = False
            else:
                _log.warning("The batches are scored one by one, because of an error: %s", error)
                is_careful = True
    raise InternalError("Batches of the task are neither done nor failed after all tries", "Resubmit what is missing")


def _next_missing(task: Task, batches: BatchRange, errors: dict[int, Exception]) -> list[int]:
    """Return the first consecutive batches that are neither done nor failed."""
    done, failed = settled_batches(task.storage.runs, task.run_id, batches)
    together: list[int] = []
    for batch in batches.numbers:
        if batch in done | failed or batch in errors:
            if together:
                break
        else:
            together.append(batch)
    return together


def _first_missing(task: Task, batches: BatchRange, together: Sequence[int]) -> int:
    """Return the first of the batches that is not complete; the first of all if storage does not say."""
    with suppress(AzureError, ImpastoError):
        done, _ = settled_batches(task.storage.runs, task.run_id, batches)
        return next((batch for batch in together if batch not in done), together[0])
    return together[0]


def _for_batch(task: Task, batch: int) -> Task:
    return replace(task, step=batch)


def _record_for_all(task: Task, missing: Sequence[int], error: Exception) -> None:
    """Record an error that concerns all batches; one that is retried is recorded once."""
    for batch in missing if isinstance(error, InputError) else missing[:1]:
        record(_for_batch(task, batch), error)


def _raise_first(task: Task, errors: Mapping[int, Exception], failed: frozenset[int]) -> None:
    """Raise the error with which the task ends, if there is one."""
    if errors:
        retried = (error for error in errors.values() if not isinstance(error, InputError))
        raise next(retried, next(iter(errors.values())))
    if failed:
        blob = task.storage.runs.need(RunPaths(task.run_id).failure(step_name(min(failed))))
        raise failure_error(Failure.load_stored(blob.data))
