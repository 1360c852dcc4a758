"""Handler of the timer: find stalled runs, repair what can be repaired, and fail the rest with a reason.

It examines every run that holds a slot, the waiting runs that can be admitted, one page of the trigger files and, in
turn, one page of all runs. It detects lost events and messages, tasks that failed permanently or vanished, tasks that
succeeded without leaving a receipt, runs whose last message was lost, and slots that are free or held by runs that
have ended. It ends previews, and submits those whose handler has died. What it costs grows with the admitted runs only:
a waiting run takes one storage request.
"""

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.paths import RunPaths
from frame_tools.telemetry.metrics import QUEUE_AGE
from orchestration.app import App
from orchestration.handlers.lost_triggers import start_lost_runs
from orchestration.handlers.sweep_run import sweep_run
from orchestration.previews.scheduling import sweep_previews
from orchestration.runs.admission import RunQueue, move_to_the_end, read_queue, release_unused_slots
from orchestration.runs.old_runs import index_old_runs
from orchestration.runs.orphans import reopen_orphaned_runs
from orchestration.runs.sweep_progress import SweepProgress, read_progress, write_progress

_log = logging.getLogger(__name__)

TIME_LIMIT: Final = dt.timedelta(minutes=10)
"""After this time a sweep visits no further run; the next one continues there. A third of functionTimeout."""


@dataclass
class Sweep:
    """One sweep: its services, its end, and the errors it met."""

    app: App
    ends_at: dt.datetime
    errors: list[Exception] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.app.clock.now() >= self.ends_at

    def attempt(self, what: str, action: Callable[[], None]) -> None:
        """Execute one part. An error is kept, and the other parts go on."""
        try:
            action()
        except Exception as error:  # the other runs must still be swept
            _log.exception("the sweep of %s failed", what)
            self.errors.append(error)


def sweep(app: App) -> None:
    """Sweep every open run once. An error in one run does not delay the others; it is raised at the end."""
    current = Sweep(app=app, ends_at=app.clock.now() + TIME_LIMIT)
    before = read_progress(app.storage)
    queue = read_queue(app)
    current.attempt("the slots", partial(release_unused_slots, app, queue))
    order = _rotated([*queue.admitted, *queue.waiting], before.next_run)
    # If the host kills this sweep at some run, the next one begins with another run, so that it reaches all.
    started = before.model_copy(update={"next_run": order[1 % len(order)] if order else ""})
    write_progress(app.storage, before, started)
    after = before.model_copy(update={"next_run": _visit_runs(current, queue, order)})
    current.attempt("the waiting runs", partial(_admit_waiting_runs, current))
    write_progress(app.storage, started, _continue_scans(current, after, queue))
    current.attempt("the previews", partial(sweep_previews, app))
    current.attempt("the queues", partial(_record_queue_ages, app))
    if current.errors:
        raise ExceptionGroup("the sweep failed for some runs", current.errors)


def _visit_runs(current: Sweep, queue: RunQueue, order: Sequence[str]) -> str:
    """Sweep the admitted runs and look at the waiting ones in this order.

    Returns the run with which the next sweep begins; empty if all were visited.
    """
    app, admitted = current.app, set(queue.admitted)
    for run_id in order:
        if current.is_over:
            _log.warning("the sweep ran out of time; the next one continues with the run %s", run_id)
            return run_id
        visit = partial(sweep_run, app) if run_id in admitted else partial(_look_at_waiting_run, app, queue=queue)
        current.attempt(f"run {run_id}", partial(visit, run_id))
    return ""


def _rotated(runs: Sequence[str], first: str) -> list[str]:
    """Return the runs, beginning with `first` if it is one of them."""
    start = runs.index(first) if first in runs else 0
    return [*runs[start:], *runs[:start]]


def _look_at_waiting_run(app: App, run_id: str, *, queue: RunQueue) -> None:
    """Advance a waiting run that ought to end: one request finds out whether it ought to."""
    opened_at, names = queue.opened_at[run_id], RunPaths(run_id)
    page = app.storage.runs.page(f"{run_id}/")
    listed = {item.name for item in page.items}
    is_expired = opened_at is not None and app.clock.now() - opened_at > app.run_limit
    is_damaged = names.request not in listed or names.listed not in listed
    if page.marker or is_expired or is_damaged or listed & {names.outcome, names.cancelled}:
        sweep_run(app, run_id)


def _admit_waiting_runs(current: Sweep) -> None:
    """Advance the longest-waiting runs while slots are free; one that cannot be admitted goes to the end."""
    app, tried = current.app, set[str]()
    queue = read_queue(app)
    while queue.free and not current.is_over:
        run_id = next((run_id for run_id in queue.waiting if run_id not in tried), None)
        if run_id is None:
            return
        tried.add(run_id)
        current.attempt(f"run {run_id}", partial(sweep_run, app, run_id))
        queue = read_queue(app)
        if queue.free and run_id in queue.waiting:
            move_to_the_end(app, run_id)


def _continue_scans(current: Sweep, progress: SweepProgress, queue: RunQueue) -> SweepProgress:
    """Examine the next page of the trigger files and of all runs; a scan that fails starts again next time."""
    app = current.app
    names = ("triggers", "orphans", "index")
    scans = {name: getattr(progress, name).restarted() for name in names}

    def continue_triggers() -> None:
        scans["triggers"], errors = start_lost_runs(app, progress.triggers)
        current.errors.extend(errors)

    def continue_orphans() -> None:
        still_open = queue.opened_at.keys()
        scans["orphans"] = reopen_orphaned_runs(app, progress.orphans, still_open=still_open)

    def continue_index() -> None:
        scans["index"] = index_old_runs(app, progress.index)

    current.attempt("the trigger files", continue_triggers)
    current.attempt("all runs", continue_orphans)
    current.attempt("the list of runs", continue_index)
    return progress.model_copy(update=scans)


def _record_queue_ages(app: App) -> None:
    """Record the age of each queue's oldest message."""
    queues = {
        paths.FRAME_BATCHES: app.storage.frame_batches,
        paths.FINISHED_BATCHES: app.storage.finished_batches,
    }
    for name, queue in queues.items():
        app.metrics.record(QUEUE_AGE, queue.age_of_oldest().total_seconds(), queue=name)
