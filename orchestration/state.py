"""The durable state of a run, read from blobs into one frozen value for the pure functions.

A document that cannot be read never raises here: it is part of the state, so that the run it belongs to can end with
the reason, be listed and be cancelled.
"""

import datetime as dt
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep, VersionSkewError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, ProductRecord, SplitReceipt, TaskError
from frame_tools.storage.blobs import BlobInfo, md5_of_bytes
from frame_tools.storage.deployment import Storage
from frame_tools.storage.recorded_hashes import RecordedHashes
from orchestration.documents import RunDocuments, UnreadableBlob, load_own, parse_time

_log = logging.getLogger(__name__)

CLOCK_TOLERANCE: Final = dt.timedelta(days=1)
"""How far in the future a stored time may be before it is replaced by the time at which its blob was created."""
MAX_FAILURES_READ: Final = 10
"""Records of failed batches that are read with the state of a run."""
_JOB_NUMBER: Final = re.compile(r"[0-9]{3,6}")
_RECEIPT_STEM: Final = re.compile(r"[0-9]{5}")


@dataclass(frozen=True, kw_only=True)
class _CommonState:
    """What is known of every run."""

    is_open: bool
    cancelled: bool
    outcome: Outcome | None
    unreadable: Mapping[str, UnreadableBlob] = field(default_factory=dict)
    """Documents that cannot be read, by blob name."""
    recorded_at: dt.datetime | None = None
    """When the blob was created that gives the start of the time limit."""
    stored: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of all blobs of the run in `runs`."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        raise NotImplementedError

    @property
    def damaged_outcome(self) -> UnreadableBlob | None:
        """The outcome, if it cannot be read."""
        return self.unreadable.get(RunPaths(self.run_id).outcome)

    @property
    def skew(self) -> VersionSkewError | None:
        """Why another version of Impasto has to continue the run, or None."""
        errors = (blob.error for blob in self.unreadable.values())
        return next((error for error in errors if isinstance(error, VersionSkewError)), None)

    def start_of_limit(self, now: dt.datetime) -> dt.datetime:
        """Return the start of the run's time limit; a recorded time that cannot be right does not extend it."""
        times = (self._recorded_time(), self.recorded_at)
        return next((time for time in times if time is not None and time <= now + CLOCK_TOLERANCE), now)

    def _recorded_time(self) -> dt.datetime | None:
        return None


@dataclass(frozen=True, kw_only=True)
class RunState(_CommonState):
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
    product: str | None
    """The committed video or records in `output`, if they are those that the join has recorded."""
    product_etag: str | None = None
    has_unrecorded_product: bool = False
    """Whether a blob is in the product's place that no join has recorded: by a crash, or by somebody else."""
    is_delayed: bool = False
    """Whether an error kept a handler from advancing the run, and no sweep has succeeded since."""
    listed_md5: bytes | None = None
    """Hash of the blob that says how the run is in the list of runs; None without one."""
    splits_again: bool = False
    """Whether the run, though created from another one, splits its video itself."""

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
    def name(self) -> str:
        """The run's name."""
        return self.request.name

    @property
    def missing(self) -> tuple[int, ...]:
        """Batches without a receipt; includes reused batches until their receipts are copied."""
        return tuple(b for b in range(self.plan.batch_count) if b not in self.receipts) if self.plan else ()

    @property
    def failed_batches(self) -> tuple[int, ...]:
        """Missing batches that failed permanently."""
        return tuple(b for b in self.missing if ids.step_name(b) in self.failures)

    def without_end(self) -> Self:
        """Return the state as if the run had not ended and had not released its slot."""
        return replace(self, outcome=None, has_slot=True)

    def _recorded_time(self) -> dt.datetime | None:
        return parse_time(self.resumed_at) if self.resumed_at is not None else parse_time(self.request.received_at)


@dataclass(frozen=True, kw_only=True)
class UnreadableRun(_CommonState):
    """A run whose request cannot be read, so that nothing can be done for it but end it."""

    id: str
    error: DamagedError | VersionSkewError

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.id

    @property
    def name(self) -> str:
        """The run's id in place of its name, which only the request has."""
        return self.id

    def without_end(self) -> Self:
        """Return the state as if the run had not ended."""
        return replace(self, outcome=None)


AnyState = RunState | UnreadableRun


def read_state(storage: Storage, run_id: str) -> AnyState | None:
    """Read the state of a run; None if there is no such run."""
    runs, names = storage.runs, RunPaths(run_id)
    listed = {item.name: item for item in runs.list(names.folder)}
    documents = RunDocuments(runs, run_id, listed, RecordedHashes(storage, run_id))
    request, outcome = documents.read(names.request, Request), documents.read(names.outcome, Outcome)
    is_open = runs.exists(names.open_mark)
    if request is None:
        return _read_without_request(documents, outcome, is_open=is_open)
    plan, record = documents.read(names.plan, Plan), documents.read(names.product_record, ProductRecord)
    stored = storage.output.info(plan.product) if plan else None
    is_recorded = plan is not None and stored is not None and _is_product(plan, stored, record)
    if plan is not None and outcome is not None and not _is_true(outcome, plan, record):
        documents.report_untrue(names.outcome, "The outcome names a product that no join has recorded")
        outcome = None
    if plan is not None and names.manifest not in listed:
        documents.report_missing(names.manifest, "manifest")
    elif names.manifest in listed and listed[names.manifest].size > Manifest.max_bytes:
        documents.report_untrue(names.manifest, f"The manifest has more than {Manifest.max_bytes} bytes")
    return RunState(
        request=request,
        resumed_at=documents.read_text(names.resumed),
        plan=plan,
        split=documents.read(names.split_receipt, SplitReceipt),
        receipts=frozenset(_receipt_numbers(listed, plan, run_id)),
        failures=dict(_failures(documents)),
        queued={
            stage: item.created for stage in ("split", "batches", "join") if (item := listed.get(names.queued(stage)))
        },
        has_slot=is_open and any(True for _ in slots_held_by(storage, run_id)),
        is_open=is_open,
        cancelled=names.cancelled in listed,
        outcome=outcome,
        product=plan.product if plan and is_recorded else None,
        product_etag=stored.etag if stored and is_recorded else None,
        has_unrecorded_product=stored is not None and not is_recorded,
        is_delayed=names.delay in listed,
        listed_md5=listed[names.listed].md5 if names.listed in listed else None,
        splits_again=names.splits_again in listed,
        stored=frozenset(listed),
        unreadable=documents.unreadable,
        recorded_at=_created(listed, names.resumed, names.request),
    )


def _is_product(plan: Plan, stored: BlobInfo, record: ProductRecord | None) -> bool:
    """Return whether a blob in `output` is what the join has recorded; runs of earlier versions record nothing."""
    return plan.inputs_sha256 is None or (record is not None and record.etag == stored.etag)


def _is_true(outcome: Outcome, plan: Plan, record: ProductRecord | None) -> bool:
    """Return whether the run may have ended so: a finished run has a record of its product, which may be gone since."""
    if outcome.status != "finished" or plan.inputs_sha256 is None:
        return True
    return record is not None and record.etag == outcome.product_etag


def _read_without_request(documents: RunDocuments, outcome: Outcome | None, *, is_open: bool) -> UnreadableRun | None:
    """Return the state of a run whose request is unreadable, or was deleted; None if it never had one.

    A trigger file that is refused at once leaves an outcome and no request.
    """
    names, listed = RunPaths(documents.run_id), documents.listed
    unreadable = documents.unreadable.get(names.request)
    if unreadable is None:
        if not listed.keys() - {names.outcome}:
            return None
        documents.report_missing(names.request, "request")
    return UnreadableRun(
        id=documents.run_id,
        error=documents.unreadable[names.request].error,
        is_open=is_open,
        cancelled=names.cancelled in listed,
        outcome=outcome,
        unreadable=documents.unreadable,
        recorded_at=_created(listed, names.resumed, names.request, *sorted(listed)),
    )


def _created(listed: Mapping[str, BlobInfo], *names: str) -> dt.datetime | None:
    """Return when the first of the named blobs that exists was created."""
    return next((listed[name].created for name in names if name in listed), None)


def _receipt_numbers(listed: Mapping[str, object], plan: Plan | None, run_id: str) -> Iterator[int]:
    """Yield the batches that have a receipt; receipts of batches that the plan does not have are ignored."""
    prefix = RunPaths(run_id).receipts
    for name in listed:
        stem = name.removeprefix(prefix).removesuffix(".json")
        if name != f"{prefix}{stem}.json" or not _RECEIPT_STEM.fullmatch(stem):
            continue
        if plan is None or int(stem) < plan.batch_count:
            yield int(stem)


def _failures(documents: RunDocuments) -> Iterator[tuple[str, Failure]]:
    """Yield the failures by step; a damaged record still means that the step failed.

    Of the batches only the first MAX_FAILURES_READ records are read: the outcome quotes the first one, and a run with
    thousands of failed batches must not cost thousands of requests whenever its state is read.
    """
    run_id, prefix = documents.run_id, RunPaths(documents.run_id).failures
    batches_read = 0
    for name in documents.listed:
        if not name.startswith(prefix):
            continue
        step = name.removeprefix(prefix).removesuffix(".json")
        if step.isdecimal() and batches_read == MAX_FAILURES_READ:
            yield step, _unread_failure(run_id, step, name)
            continue
        batches_read += step.isdecimal()
        failure = documents.read(name, Failure)
        if failure is not None:
            yield step, failure
        elif name in documents.unreadable and documents.unreadable[name].is_damaged:
            del documents.unreadable[name]
            yield step, _failure_without_record(run_id, step)


def _unread_failure(run_id: str, step: str, name: str) -> Failure:
    return Failure(
        run_id=run_id,
        step=step,
        reason=f"the record runs/{name} has the reason",
        remedy="Resubmit what is missing once the causes of the first failures are gone.",
        next_step=NextStep.RESUBMIT,
        failed_at="",
    )


def _failure_without_record(run_id: str, step: str) -> Failure:
    return Failure(
        run_id=run_id,
        step=step,
        reason="it failed permanently, but the record of its failure is damaged",
        remedy="Resubmit what is missing.",
        code=ErrorCode.DAMAGED_DATA,
        next_step=NextStep.RESUBMIT,
        failed_at="",
    )


def run_name(storage: Storage, run_id: str) -> str:
    """Return the run's name, or its id if its request cannot be read."""
    blob = storage.runs.read(RunPaths(run_id).request)
    try:
        return load_own(Request, blob.data, run_id).name if blob else run_id
    except (DamagedError, VersionSkewError):
        return run_id


def read_task_error(storage: Storage, run_id: str, step: str) -> TaskError | None:
    """Return the last retryable error of a step's task; None without one, or if its record cannot be read."""
    run = RunPaths(run_id)
    names = (run.error(step), run.old_error(step))
    blobs = [storage.runs.read(name, limit=TaskError.max_bytes) for name in names]
    errors: list[TaskError] = []
    for blob in blobs:
        try:
            errors += [load_own(TaskError, blob.data, run_id)] if blob else []
        except (DamagedError, VersionSkewError) as error:
            _log.warning("run %s: the error of the step %s cannot be read: %s", run_id, step, error)
    return max(errors, key=lambda error: error.happened_at, default=None)


def slots_held_by(storage: Storage, run_id: str) -> Iterator[BlobInfo]:
    """Yield every slot that the run holds: one, or two after a crash between two writes.

    One listing answers that: a slot contains the id of the run that holds it, and a listing has the content's hash.
    """
    holder = md5_of_bytes(run_id.encode())
    return (item for item in storage.runs.list(paths.SLOTS) if item.md5 == holder)


def open_runs(storage: Storage) -> list[str]:
    """Return the ids of all runs that are marked open; marks that name no run are ignored."""
    names = (item.name.removeprefix(paths.OPEN_MARKS) for item in storage.runs.list(paths.OPEN_MARKS))
    return [name for name in names if ids.RUN_ID.fullmatch(name)]


def job_numbers(storage: Storage, run_id: str) -> list[int]:
    """Return the numbers of the Batch jobs that were claimed for the run; other blobs among the claims are ignored."""
    names = (item.name.rsplit("/", 1)[1] for item in storage.runs.list(RunPaths(run_id).jobs))
    return [int(name) for name in names if _JOB_NUMBER.fullmatch(name)]


def write_failure(storage: Storage, failure: Failure) -> None:
    """Record that a step failed permanently; the first record wins."""
    storage.runs.create(RunPaths(failure.run_id).failure(failure.step), failure.dumps())
