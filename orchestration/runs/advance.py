"""The run loop: execute the next action of a run until it has to wait. Every handler calls it; it is idempotent."""

import logging
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final, Literal, assert_never

from frame_tools.contracts import ids
from frame_tools.contracts.choices import RunOutcome
from frame_tools.contracts.errors import DamagedError, InputError, MissingError, NextStep
from frame_tools.contracts.messages import MAX_RANGE, BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.telemetry.logs import with_run_context
from orchestration.app import App
from orchestration.planning import planner
from orchestration.reporting.run_index import update_entry
from orchestration.runs.admission import acquire_slot
from orchestration.runs.decide import Action, NextAction, decide
from orchestration.runs.finalize import clean_up, finalize_run, terminate_jobs
from orchestration.runs.joining import join_run
from orchestration.runs.repair import repair_documents, split_again
from orchestration.runs.scheduling import current_job, prioritize_job
from orchestration.state import AnyState, RunState, read_state

_log = logging.getLogger(__name__)

MAX_ACTIONS: Final = 12
"""More than any run needs between two waits; guards against an endless loop."""


@with_run_context
def advance(app: App, run_id: str) -> None:
    """Execute actions of the run until it has to wait.

    Raises VersionSkewError if it waits for another version of Impasto.
    """
    for _ in range(MAX_ACTIONS):
        state = read_state(app.storage, run_id)
        if state is None:
            return
        next_action = decide(state, now=app.clock.now(), run_limit=app.run_limit)
        _log.info("run %s: %s", run_id, next_action.action)
        if next_action.action is Action.WAIT and state.skew is not None:
            raise state.skew
        with app.spans.phase(next_action.action, run_id):
            if not execute(app, state, next_action):
                _list_run(app, state)
                return
    raise RuntimeError(f"the run {run_id} does not settle; its last action is {next_action.action}")


def _list_run(app: App, state: AnyState) -> None:
    """Keep the run's entry in the list of runs up to date while the run waits."""
    if isinstance(state, RunState):
        update_entry(app.storage, state)


def execute(app: App, state: AnyState, next_action: NextAction) -> bool:
    """Execute one action; return whether to evaluate the run again at once."""
    match next_action.action:
        case Action.WAIT:
            return False
        case Action.CLEAN_UP:
            _clean_up(app, state)
            return False
        case Action.REPAIR:
            repair_documents(app, state)
        case Action.FINISH:
            _end_run(app, state, "finished", next_action)
        case Action.CANCEL:
            _end_run(app, state, "cancelled", next_action)
        case Action.FAIL:
            _end_run(app, state, "failed", next_action)
        case Action.ADMIT | Action.SPLIT | Action.PLAN | Action.QUEUE | Action.JOIN:
            assert isinstance(state, RunState)  # noqa: S101 - decide() ends a run without a request
            return _work(app, state, next_action.action)
        case _:
            assert_never(next_action.action)
    return True


def _work(
    app: App, state: RunState, action: Literal[Action.ADMIT, Action.SPLIT, Action.PLAN, Action.QUEUE, Action.JOIN]
) -> bool:
    """Execute an action that needs the run's request; return whether to evaluate the run again at once."""
    match action:
        case Action.ADMIT:
            return _admit(app, state)
        case Action.SPLIT:
            _queue_split(app, state)
        case Action.PLAN:
            _plan(app, state)
        case Action.QUEUE:
            _queue_batches(app, state)
        case Action.JOIN:
            return join_run(app, state)
    return True


def _clean_up(app: App, state: AnyState) -> None:
    if state.is_open:
        clean_up(app, state.run_id)
    else:
        # A handler that was creating a task when the run ended may have died before it could terminate the job.
        terminate_jobs(app, state.run_id, "run has ended")


def _admit(app: App, state: RunState) -> bool:
    if not state.is_open:
        # The mark was deleted by an outcome that has been retracted since, or before there was a request.
        app.storage.runs.create(RunPaths(state.run_id).open_mark, b"")
    return acquire_slot(app, state.run_id)


def _queue_split(app: App, state: RunState) -> None:
    run_id = state.run_id
    if _refuse_invalid_input(app, state, lambda: planner.check_before_split(app, state.request)):
        return
    app.storage.frame_batches.send(BatchMessage(run_id=run_id, batch="split"))
    app.storage.runs.create(RunPaths(run_id).queued("split"), b"")


def _plan(app: App, state: RunState) -> None:
    """Write the plan; end the run if its input, or the run from which it was created, cannot be used."""
    try:
        _refuse_invalid_input(app, state, lambda: planner.write_plan(app, state))
    except planner.DamagedSplitError as error:
        _log.warning("run %s: %s", state.run_id, error)
        if state.split is None:
            app.storage.runs.create(RunPaths(state.run_id).splits_again, b"")
        split_again(app, state)
    except (MissingError, DamagedError) as error:
        finalize_run(
            app,
            state.run_id,
            name=state.name,
            status="failed",
            reason=f"The run cannot be planned: {error.what}",
            remedy="Upload the trigger file again to start a new run",
            code=error.code,
            next_step=NextStep.START_NEW_RUN,
        )


def _queue_batches(app: App, state: RunState) -> None:
    run_id = state.run_id
    if state.split is not None:  # the run's job has the priority of a single task
        prioritize_job(app, state, ids.job_id(run_id, current_job(app, run_id)), pending=len(state.missing))
    app.storage.frame_batches.send_all(batch_messages(state))
    app.storage.runs.create(RunPaths(run_id).queued("batches"), b"")


def batch_messages(state: RunState) -> Iterator[BatchMessage]:
    """Yield messages that name the missing batches in ranges, those that share a task in one message.

    A task is placed as a whole, so of one with more batches than a message may name, the first missing ones are enough.
    """
    plan = state.plan
    if plan is None:
        return
    first = last = None
    for _, batches in groupby(state.missing, key=plan.task_of):
        begin, *_, end = [*batches] * 2
        end = min(end, begin + MAX_RANGE - 1)
        if first is not None and end >= first + MAX_RANGE:
            yield BatchMessage(run_id=state.run_id, batch=first, last=last)
            first = None
        first, last = begin if first is None else first, end
    if first is not None:
        yield BatchMessage(run_id=state.run_id, batch=first, last=last)


def _refuse_invalid_input(app: App, state: RunState, check: Callable[[], None]) -> bool:
    """Run a check of the user's input; if it raises InputError, end the run as refused and return True."""
    try:
        check()
    except InputError as error:
        _log.warning("run %s refused: %s", state.run_id, error)
        finalize_run(
            app,
            state.run_id,
            name=state.name,
            status="refused",
            reason=error.what,
            remedy=error.remedy,
            code=error.code,
            next_step=NextStep.START_NEW_RUN,
        )
        return True
    return False


def _end_run(app: App, state: AnyState, status: RunOutcome, next_action: NextAction) -> None:
    finished = state if status == "finished" and isinstance(state, RunState) else None
    finalize_run(
        app,
        state.run_id,
        name=state.name,
        status=status,
        reason=next_action.reason,
        remedy=next_action.remedy,
        code=next_action.code,
        next_step=next_action.next_step,
        video=finished.video if finished else None,
        records=finished.records if finished else None,
        product_etag=finished.product_etag if finished else None,
        is_still_valid=lambda: finished is not None or _decide_again(app, state.run_id) == next_action.action,
    )


def _decide_again(app: App, run_id: str) -> Action | None:
    """Return the current decision for the run, ignoring that it has just ended and released its slot."""
    state = read_state(app.storage, run_id)
    if state is None:
        return None
    return decide(state.without_end(), now=app.clock.now(), run_limit=app.run_limit).action
