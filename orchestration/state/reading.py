"""Reading of a run's state from its blobs; a document that cannot be read never raises here."""

import datetime as dt
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Final

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, Request
from frame_tools.contracts.receipt import Failure, Outcome, ProductRecord, SplitReceipt
from frame_tools.storage.blobs import BlobInfo
from frame_tools.storage.deployment import Storage
from frame_tools.storage.recorded_hashes import RecordedHashes
from orchestration.documents import RunDocuments
from orchestration.state.lookups import slots_held_by
from orchestration.state.values import AnyState, RunState, UnreadableRun

_log = logging.getLogger(__name__)

MAX_FAILURES_READ: Final = 10
"""Records of failed batches that are read with the state of a run."""
_RECEIPT_STEM: Final = re.compile(r"[0-9]{5}")


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
