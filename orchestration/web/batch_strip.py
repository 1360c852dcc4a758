"""The strip of a run's batches: what each of them is at, from the names of the run's blobs alone."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from orchestration.app import App
from orchestration.reporting.watched_status import watched_status
from orchestration.web.progress_view import state_of_status

MAX_BATCHES: Final = 500
"""Batches that the strip shows; a run of more shows the first of them and says so."""
BATCH_LABELS: Final = {
    "done": "Painted",
    "again": "Painted on a later attempt",
    "painting": "In progress",
    "waiting": "Waiting",
    "failed": "Failed",
}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A square of the strip: its number and frames, counted from 1, and its state, a key of BATCH_LABELS."""

    number: int
    step: str
    first: int
    last: int
    state: str

    @property
    def label(self) -> str:
        """Return the batch's state in words, for screen readers."""
        return f"Batch {self.number}: {BATCH_LABELS[self.state].lower()}"


@dataclass(frozen=True, kw_only=True)
class BatchStrip:
    """The batches of a run, and whether it is open, so that they may change."""

    run_id: str
    is_open: bool
    batches: tuple[Batch, ...]

    @property
    def shown(self) -> tuple[Batch, ...]:
        """The first batches."""
        return self.batches[:MAX_BATCHES]

    @property
    def summary(self) -> str:
        """Return how many batches are painted, in progress and failed."""
        count = {name: sum(batch.state == name for batch in self.batches) for name in BATCH_LABELS}
        texts = [f"{count['done'] + count['again']} of {len(self.batches)} batches painted"]
        texts += [
            f"{count[name]} {text}" for name, text in (("painting", "in progress"), ("failed", "failed")) if count[name]
        ]
        return ", ".join(texts)


def strip_of(run_id: str, plan: Plan | None, names: Set[str], *, is_open: bool) -> BatchStrip:
    """Return the strip of a run, given the names of its blobs in `runs`; empty for a run without a plan."""
    batches = tuple(_batches(run_id, plan, names, is_open=is_open)) if plan is not None else ()
    return BatchStrip(run_id=run_id, is_open=is_open, batches=batches)


def read_strip(app: App, run_id: str) -> BatchStrip | None:
    """Return the strip of a run, None if there is no such run.

    Beside the status that all who watch share it takes two requests, however many batches there are: one asks whether
    the plan that this process has read is still the run's, the other lists (5,000 blobs for each request).
    """
    status = watched_status(app, run_id)
    if status is None:
        return None
    try:
        plan = app.plans.find(app.storage, run_id)
    except (DamagedError, VersionSkewError):
        plan = None  # the status says so
    names = {item.name for item in app.storage.runs.list(RunPaths(run_id).folder)}
    return strip_of(run_id, plan, names, is_open=state_of_status(status).is_open)


def _batches(run_id: str, plan: Plan, names: Set[str], *, is_open: bool) -> Iterator[Batch]:
    run = RunPaths(run_id)
    retried = {name.removeprefix(run.retries).partition("-")[0] for name in names if name.startswith(run.retries)}
    for batch in range(plan.batch_count):
        step, (start, end) = ids.step_name(batch), plan.span(batch)
        if run.receipt(batch) in names:
            state = "again" if step in retried else "done"
        elif run.failure(step) in names:
            state = "failed"
        else:
            state = "painting" if is_open and run.step_progress(step) in names else "waiting"
        yield Batch(number=batch + 1, step=step, first=start + 1, last=end, state=state)
