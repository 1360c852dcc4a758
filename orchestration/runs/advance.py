"""Do the next thing for a run, and the next, until it has to wait: called by every handler, harmless when repeated."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.telemetry.logs import with_run_context
from orchestration.app import App, now
from orchestration.planning import planner
from orchestration.runs import finalize, joining
from orchestration.runs.admission import take_slot
from orchestration.runs.decide import Step, decide
from orchestration.state import RunState, read_state

log = logging.getLogger(__name__)

MAX_STEPS: Final = 12
"""More than any run needs between two waits; a guard against going round in a circle."""


@with_run_context
def advance(app: App, run_id: str) -> None:
    """Take the run as far as it goes without waiting for anybody."""
    for _ in range(MAX_STEPS):
        state = read_state(app.storage, run_id)
        if state is None:
            return
        step = decide(state, now=now(), run_limit=app.run_limit)
        log.info("run %s: %s", run_id, step.verb)
        with app.spans.phase(step.verb, run_id):
            if not take(app, state, step):
                return
    raise RuntimeError(f"run {run_id} goes round in a circle at {step.verb!r}")


def take(app: App, state: RunState, step: Step) -> bool:  # noqa: C901 - one row a verb
    """Take one step; returns whether to look again at once."""
    run_id = state.run_id
    match step.verb:
        case "wait":
            return False
        case "clean up":
            if state.is_open:
                finalize.clean_up(app, run_id)
            else:
                finalize.end_jobs(app, run_id, "run has ended")  # whoever placed a task at that moment may have died
            return False
        case "admit":
            if not state.is_open:  # taken away after an ending that was taken back since, or before there was a request
                app.storage.runs.create(RunPaths(run_id).open_mark, b"")
            return take_slot(app, run_id)
        case "split":
            if _refused(app, state, lambda: planner.check_before_split(app, state.request)):
                return True
            app.storage.frame_batches.send(BatchMessage(run_id=run_id, batch="split"))
            app.storage.runs.create(RunPaths(run_id).queued("split"), b"")
        case "plan":
            _refused(app, state, lambda: planner.write_plan(app, state))
        case "queue":
            app.storage.frame_batches.send_all(BatchMessage(run_id=run_id, batch=b) for b in state.missing)
            app.storage.runs.create(RunPaths(run_id).queued("batches"), b"")
        case "join":
            return joining.join(app, state)
        case "finish":
            what = "The video is complete" if state.video else "The records are complete"
            _end(app, state, "finished", Step(verb="finish", reason=what))
        case "cancel":
            _end(app, state, "cancelled", Step(verb="cancel", reason="A person cancelled the run"))
        case "fail":
            _end(app, state, "failed", step)
    return True


def _refused(app: App, state: RunState, check: Callable[[], None]) -> bool:
    """Run a check of the person's input; if it raises InputError, end the run as refused and return True."""
    try:
        check()
    except InputError as error:
        log.warning("run %s refused: %s", state.run_id, error)
        finalize.end(
            app,
            state.run_id,
            name=state.request.name,
            status="refused",
            reason=error.what,
            remedy=error.remedy,
            code=error.code,
            next_step=NextStep.START_NEW_RUN,
        )
        return True
    return False


def _end(app: App, state: RunState, status: finalize.Status, step: Step) -> None:
    finalize.end(
        app,
        state.run_id,
        name=state.request.name,
        status=status,
        reason=step.reason,
        remedy=step.remedy,
        code=step.code,
        next_step=step.next_step,
        video=state.video if status == "finished" else None,
        records=state.records if status == "finished" else None,
        still=lambda: status == "finished" or _decides_again(app, state.run_id) == step.verb,
    )


def _decides_again(app: App, run_id: str) -> str | None:
    """Return what would be decided now if the run had not just been ended, nor its slot been given back on that."""
    state = read_state(app.storage, run_id)
    if state is None:
        return None
    return decide(replace(state, outcome=None, has_slot=True), now=now(), run_limit=app.run_limit).verb
