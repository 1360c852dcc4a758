"""The timer: find runs that stand still, put right what can be, end the rest with a reason.

It looks at runs marked open, and once an hour for others that should be. What it finds: messages that got lost, tasks
that failed for good or vanished, tasks that succeeded without leaving a receipt, a run whose last message never came,
slots that are free or held by runs that have ended.
"""

import datetime as dt
import logging

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import ErrorCode, NextStep, sentence
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, TaskError
from frame_tools.telemetry.logs import with_run_context
from frame_tools.telemetry.metrics import QUEUE_AGE, TASK_RETRIES
from orchestration.app import App, node_image, now
from orchestration.azure_batch.client import TaskView, steps_of
from orchestration.preflight import look_again
from orchestration.runs.admission import admit_next, reclaim_slots
from orchestration.runs.advance import advance
from orchestration.runs.orphans import reopen_forgotten
from orchestration.runs.scheduling import current_job, place
from orchestration.state import RunState, open_runs, read_state, write_failure

log = logging.getLogger(__name__)


def sweep(app: App) -> None:
    """Look at every open run once. One run's trouble does not keep the others waiting; it is raised at the end."""
    troubles: list[Exception] = []
    reopen_forgotten(app)
    for run_id in open_runs(app.storage):
        try:
            sweep_run(app, run_id)
        except Exception as error:  # the next run must still be looked at
            log.exception("the sweep of run %s failed", run_id)
            troubles.append(error)
    reclaim_slots(app)
    admit_next(app)
    _measure_queues(app)
    if troubles:
        raise ExceptionGroup("the sweep could not put every run right", troubles)


def _measure_queues(app: App) -> None:
    """Tell how long the first message of each queue has been waiting."""
    queues = {
        paths.FRAME_BATCHES: app.storage.frame_batches,
        paths.FINISHED_BATCHES: app.storage.finished_batches,
    }
    for name, queue in queues.items():
        app.metrics.record(QUEUE_AGE, queue.age_of_oldest().total_seconds(), queue=name)


@with_run_context
def sweep_run(app: App, run_id: str) -> None:
    """Put one run right."""
    advance(app, run_id)
    state = read_state(app.storage, run_id)
    if state is None:
        _unmark(app, run_id)
        return
    if not _waited_for(state) or state.outcome is not None or not state.has_slot:
        return
    job_id = ids.job_id(run_id, current_job(app, run_id))
    tasks = steps_of(app.batch.tasks(job_id)) if app.batch.job_is_open(job_id) else {}
    # A task leaves its receipt before it ends, so receipts are looked at after tasks: none that ended looks undone.
    state = read_state(app.storage, run_id) or state
    if any(task.state == "active" for attempts in tasks.values() for _, task in attempts):
        look_again(app, run_id, image=node_image(app, state.plan))
    lost: list[int | str] = []
    for step in _waited_for(state):
        attempts = [task for _, task in tasks.get(step, [])]
        if not attempts:
            if _old_enough(app, state):
                lost.append(step)
        elif not any(task.alive for task in attempts) and _try_again(app, run_id, step, attempts[-1]):
            lost.append(step)
    if lost:
        log.warning("run %s: placing %d steps again, the first is %s", run_id, len(lost), lost[0])
        place(app, run_id, lost)
    advance(app, run_id)


def _unmark(app: App, run_id: str) -> None:
    """Take away the mark of a run without a request, unless that has come meanwhile (see `accept.open_run`)."""
    app.storage.runs.delete(RunPaths(run_id).open_mark)
    if app.storage.runs.exists(RunPaths(run_id).request):
        app.storage.runs.create(RunPaths(run_id).open_mark, b"")


def _waited_for(state: RunState) -> list[int | str]:
    """Steps that some task should be working on now."""
    if state.plan is None:
        return ["split"] if state.request.trigger.video and state.split is None and "split" in state.queued else []
    if not state.missing:
        return ["join"] if "join" in state.queued and "join" not in state.failures else []
    if "batches" not in state.queued:
        return []
    return [batch for batch in state.missing if ids.step_name(batch) not in state.failures]


def _old_enough(app: App, state: RunState) -> bool:
    """Whether a message still on its way would have arrived by now."""
    stage = "split" if state.plan is None else "batches" if state.missing else "join"
    sent = state.queued.get(stage)
    return sent is not None and now() - sent > dt.timedelta(seconds=app.settings.sweep_grace_seconds)


def _try_again(app: App, run_id: str, step: int | str, last: TaskView) -> bool:
    """Whether a step whose tasks have all ended without a receipt gets another try; else its failure is recorded."""
    name = ids.step_name(step)
    for number in range(1, app.settings.sweep_retries + 1):
        if app.storage.runs.create(RunPaths(run_id).retry_claim(name, number), last.task_id.encode()):
            app.metrics.record(TASK_RETRIES, 1)
            return True
    write_failure(app.storage, _failure_of(app, run_id, name, last))
    app.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="look"))
    return False


def _failure_of(app: App, run_id: str, step: str, last: TaskView) -> Failure:
    """Return the failure of a step whose last task is `last`: the task's own error if it stored one, else Batch's.

    An error of an earlier task, where the last one ended in another way (it was killed, say), is named as such.
    """
    output = f"logs/{RunPaths(run_id).task_output_folder(last.task_id)}/stderr.txt"
    failure = Failure(
        run_id=run_id,
        step=step,
        reason=last.trouble or f"its task {last.task_id} ended (exit code {last.exit_code}) without leaving a receipt",
        remedy=f"Read {output} for the cause.",
        code=ErrorCode.TASK_FAILED,
        next_step=NextStep.ASK_OPERATOR,
        task_id=last.task_id,
        failed_at=now().isoformat(),
    )
    blob = app.storage.runs.read(RunPaths(run_id).error(step))
    if blob is None:
        return failure
    trouble = TaskError.load_stored(blob.data)
    if trouble.tells_of(task_id=last.task_id, exit_code=last.exit_code):
        own = {
            "reason": trouble.reason,
            "remedy": f"{sentence(trouble.remedy)} More is in {output}.",
            "code": trouble.code,
            "next_step": trouble.next_step,
        }
        return failure.model_copy(update=own)
    earlier = f"before that, at {trouble.happened_at}, the task {trouble.task_id} had said: {trouble.reason}"
    return failure.model_copy(update={"reason": f"{failure.reason} ({earlier})"})
