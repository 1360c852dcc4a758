"""The durable state of a run, read from blobs into one frozen value for the pure functions."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, SplitReceipt, TaskError
from frame_tools.storage.deployment import Storage


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The state of a run as recorded by its blobs. Absent blobs are None, empty or False."""

    request: Request
    resumed_at: str | None
    """When a user last resumed the run; UTC, ISO 8601."""
    plan: Plan | None
    split: SplitReceipt | None
    receipts: frozenset[int]
    """Batches that have a receipt."""
    failures: Mapping[str, Failure]
    """By step name."""
    queued: Mapping[str, dt.datetime | None]
    """When each stage ("split", "batches" or "join") was first queued; a stage that was not is absent."""
    has_slot: bool
    is_open: bool
    cancelled: bool
    outcome: Outcome | None
    product: str | None
    """The committed video or records in `output`."""

    @property
    def video(self) -> str | None:
        """The product, if the run makes pictures."""
        return self.product if self.plan and self.plan.makes == "pictures" else None

    @property
    def records(self) -> str | None:
        """The product, if the run makes records."""
        return self.product if self.plan and self.plan.makes == "records" else None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.request.run_id

    @property
    def began_at(self) -> dt.datetime:
        """Start of the run's time limit: when the trigger file arrived, or when a user last resumed the run."""
        return dt.datetime.fromisoformat(self.resumed_at or self.request.received_at)

    @property
    def missing(self) -> tuple[int, ...]:
        """Batches without a receipt; includes reused batches until their receipts are copied."""
        return tuple(b for b in range(self.plan.batch_count) if b not in self.receipts) if self.plan else ()

    @property
    def failed_batches(self) -> tuple[int, ...]:
        """Missing batches that failed permanently."""
        return tuple(b for b in self.missing if ids.step_name(b) in self.failures)


def read_state(storage: Storage, run_id: str) -> RunState | None:
    """Read the state of a run; None if there is no such run."""
    runs, names = storage.runs, RunPaths(run_id)
    request = runs.read(names.request)
    if request is None:
        return None
    listed = {item.name: item for item in runs.list(f"{run_id}/")}
    plan_blob = runs.read(names.plan) if names.plan in listed else None
    plan = Plan.load_stored(plan_blob.data) if plan_blob else None
    split = runs.read(names.split_receipt) if names.split_receipt in listed else None
    outcome = runs.read(names.outcome) if names.outcome in listed else None
    resumed = runs.read(names.resumed) if names.resumed in listed else None
    is_open = runs.exists(names.open_mark)
    return RunState(
        request=Request.load_stored(request.data),
        resumed_at=resumed.data.decode() if resumed else None,
        plan=plan,
        split=SplitReceipt.load_stored(split.data) if split else None,
        receipts=frozenset(_receipt_numbers(listed, run_id)),
        failures=dict(_failures(storage, listed, run_id)),
        queued={
            stage: item.created for stage in ("split", "batches", "join") if (item := listed.get(names.queued(stage)))
        },
        has_slot=is_open and any(True for _ in slots_held_by(storage, run_id)),
        is_open=is_open,
        cancelled=names.cancelled in listed,
        outcome=Outcome.load_stored(outcome.data) if outcome else None,
        product=plan.product if plan and storage.output.exists(plan.product) else None,
    )


def _receipt_numbers(listed: Mapping[str, object], run_id: str) -> Iterator[int]:
    prefix = RunPaths(run_id).receipts
    for name in listed:
        stem = name.removeprefix(prefix).removesuffix(".json")
        if name.startswith(prefix) and stem.isdigit():
            yield int(stem)


def _failures(storage: Storage, listed: Mapping[str, object], run_id: str) -> Iterator[tuple[str, Failure]]:
    prefix = RunPaths(run_id).failures
    for name in listed:
        if name.startswith(prefix) and (blob := storage.runs.read(name)) is not None:
            yield name.removeprefix(prefix).removesuffix(".json"), Failure.load_stored(blob.data)


def read_task_error(storage: Storage, run_id: str, step: str) -> TaskError | None:
    """Return the last retryable error of a step's task, or None."""
    run = RunPaths(run_id)
    blobs = [storage.runs.read(name) for name in (run.error(step), run.old_error(step))]
    errors = [TaskError.load_stored(blob.data) for blob in blobs if blob is not None]
    return max(errors, key=lambda error: error.happened_at, default=None)


def slots_held_by(storage: Storage, run_id: str) -> Iterator[tuple[str, str]]:
    """Yield (blob, ETag) of every slot that the run holds: one, or two after a crash between two writes."""
    for item in storage.runs.list("slots/"):
        blob = storage.runs.read(item.name)
        if blob is not None and blob.data.decode() == run_id:
            yield item.name, blob.etag


def open_runs(storage: Storage) -> list[str]:
    """Return the ids of all runs that are marked open."""
    return [item.name.removeprefix("open/") for item in storage.runs.list("open/")]


def write_failure(storage: Storage, failure: Failure) -> None:
    """Record that a step failed permanently; the first record wins."""
    storage.runs.create(RunPaths(failure.run_id).failure(failure.step), failure.dumps())
