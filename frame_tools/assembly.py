"""Assembly of a run's output, its video or records, exactly once; used by the Function App and by a Batch task.

Every segment or records file is compared with its receipt. Segments are joined packet by packet, with the audio;
records are concatenated in frame order. The output is written in blocks that become visible with one conditional
commit. A lease keeps two processes from doing the work twice; the commit keeps the result correct if they do.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from frame_tools.contracts.errors import DamagedError, ErrorCode, MissingError, NextStep, TemporaryError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import WORK, RunPaths
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.contracts.receipt import Outcome, ProductRecord, Receipt
from frame_tools.media.join import Segment, join
from frame_tools.media.sink import BlockSink, CommittedFile
from frame_tools.storage.blobs import AlreadyThereError, sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import is_pinned_version, read_pins
from frame_tools.storage.ports import BlobReader, Lease
from frame_tools.storage.read_ahead import NeededBlob, read_ahead
from frame_tools.storage.receipts import DamagedBatchError, ReceiptVersion, intact, invalidate_receipt, read_receipts
from frame_tools.storage.recorded_hashes import load_plan


class DamagedPlanError(DamagedError):
    """The run's plan or manifest is missing or damaged; the Function App plans the run again."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "Wait: the run is planned again.", next_step=NextStep.RETRY_LATER)


class JoinDeclinedError(Exception):
    """The caller does not want to join the parts that there are."""


def accept_all(receipts: Sequence[ReceiptVersion]) -> bool:
    """Accept any parts."""
    return True


def assemble_output(
    storage: Storage, run_id: str, *, accepts: Callable[[Sequence[ReceiptVersion]], bool] = accept_all
) -> str | None:
    """Assemble the run's video or records; returns the blob's name, or None if another process is doing it.

    `accepts` is shown the receipts, without their frames, before any part is read. Raises JoinDeclinedError if it
    returns False, DamagedBatchError after invalidating the receipts of damaged batches, DamagedPlanError if the run has
    to be planned again.
    """
    plan, plan_sha256 = _read_plan(storage, run_id)
    with storage.runs.lease(RunPaths(run_id).join_lease) as lease:
        if lease is None:
            return None
        if _is_committed(storage, plan):
            return plan.product
        versions = read_receipts(storage, plan, plan_sha256)
        if not accepts(versions):
            raise JoinDeclinedError
        receipts = [version.receipt for version in versions]
        sink = BlockSink(storage.output.block_writer(plan.product))
        if plan.makes == "records":
            _write_records(sink, storage, run_id, receipts)
        else:
            _write_video(sink, storage, plan, receipts)
        _commit(sink, storage, plan, lease)
    return plan.product


def _write_video(sink: BlockSink, storage: Storage, plan: Plan, receipts: list[Receipt]) -> None:
    """Join segments and audio into the sink."""
    manifest = _read_manifest(storage, plan)
    audio = _open_planned_audio(storage, plan, manifest)
    segments = (
        Segment(receipt.part.name, receipt.end - receipt.start, data)
        for receipt, data in _read_products(storage, plan.run_id, receipts)
    )
    join(manifest, segments, audio=audio, out=sink, scale=plan.scale)


def _open_planned_audio(storage: Storage, plan: Plan, manifest: Manifest) -> BlobReader | None:
    """Open the run's audio file, if it has one.

    Raises DamagedPlanError if only plan or manifest says that it has, DamagedPinsError if its pin cannot be read.
    """
    if (plan.audio is None) != (manifest.audio_file is None):
        raise DamagedPlanError(f"The plan of the run {plan.run_id} does not match its manifest")
    if plan.audio is None:
        return None
    pins = read_pins(storage.runs, plan)
    return _open_audio(storage, plan.audio, pins.audio if pins else None)


def _write_records(sink: BlockSink, storage: Storage, run_id: str, receipts: list[Receipt]) -> None:
    """Concatenate the records of all frames into the sink; raises DamagedError unless each frame has one."""
    for receipt, data in _read_products(storage, run_id, receipts):
        lines, frames = data.count(b"\n"), receipt.end - receipt.start
        if lines != frames or not data.endswith(b"\n"):
            raise DamagedError(
                f"{receipt.part.name} contains {lines} records for {frames} frames",
                "Fix the scorer so that it writes one line for each frame, then resubmit all.",
                next_step=NextStep.RESUBMIT,
            )
        sink.write(data)


def _commit(sink: BlockSink, storage: Storage, plan: Plan, lease: Lease) -> None:
    """Make the output visible, unless the run has been cancelled meanwhile."""
    names = RunPaths(plan.run_id)
    if storage.runs.exists(names.cancelled) and not storage.output.exists(plan.product):
        return
    if lease.lost:
        raise TemporaryError("The lease on the join was lost", "Wait: the join is repeated.")
    committed = _commit_or_compare(sink, storage, plan)
    record = ProductRecord(
        run_id=plan.run_id, blob=plan.product, size=committed.size, etag=committed.etag, sha256=committed.sha256
    )
    storage.runs.write(names.product_record, record.dumps())
    outcome = storage.runs.read(names.outcome)
    if outcome is not None and Outcome.load_stored(outcome.data).status != "finished":
        storage.output.delete(plan.product)  # the run ended between the check and the commit


def _commit_or_compare(sink: BlockSink, storage: Storage, plan: Plan) -> CommittedFile:
    """Commit the output. If a blob is there, it must have the same bytes: an earlier joiner died before it recorded it.

    Raises TemporaryError after deleting any other blob: only a person or a compromised node can have written it.
    """
    with suppress(AlreadyThereError):
        return sink.commit()
    stored = storage.output.info(plan.product)
    if stored is not None and sink.is_equal_to(storage.output.open(plan.product)):
        return sink.description(stored.etag)
    if stored is not None:
        storage.output.delete(plan.product, etag=stored.etag)
    raise TemporaryError(
        f"The blob output/{plan.product} was not the run's own and has been deleted", "Wait: the join is repeated."
    )


def _is_committed(storage: Storage, plan: Plan) -> bool:
    """Return whether the output is there and is the one that a joiner recorded; earlier versions recorded none."""
    stored = storage.output.info(plan.product)
    if stored is None or plan.inputs_sha256 is None:
        return stored is not None
    blob = storage.runs.read(RunPaths(plan.run_id).product_record, limit=ProductRecord.max_bytes)
    try:
        return blob is not None and ProductRecord.load_stored(blob.data).etag == stored.etag
    except DamagedError:
        return False


def _open_audio(storage: Storage, audio: BlobRef, pin: str | None) -> BlobReader:
    """Open the audio file; raises DamagedError if it was deleted or replaced after the run was planned."""
    container = storage.data_container(audio.container)
    try:
        reader = container.open(audio.name)
        if pin is None or is_pinned_version(pin, reader, container.info(audio.name)):
            return reader
    except MissingError as error:
        remedy = (
            "Resubmit what is missing: the video is split again."
            if audio.container == WORK
            else "Upload it again, then resubmit what is missing."
        )
        what = f"The audio file {audio.container}/{audio.name} does not exist any more"
        raise DamagedError(what, remedy, next_step=NextStep.RESUBMIT) from error

    raise DamagedError(
        f"The audio file {audio.container}/{audio.name} was replaced after the run was planned",
        "Resubmit what is missing: the video is split again."
        if audio.container == WORK
        else "Upload the original again, then resubmit what is missing; for the new sound, start a new run by uploading"
        " the trigger file again.",
        code=ErrorCode.INPUT_CHANGED,
        next_step=NextStep.RESUBMIT,
    )


def _read_products(storage: Storage, run_id: str, receipts: list[Receipt]) -> Iterator[tuple[Receipt, bytes]]:
    """Yield each batch's segment or records after comparing it with its receipt; see `read_ahead` for the memory."""
    parts = [receipt.part for receipt in receipts]
    blobs = read_ahead(storage.work, (NeededBlob(part.name, part.size, part.size) for part in parts))
    for batch, (receipt, blob) in enumerate(zip(receipts, blobs, strict=True)):
        data = intact(blob, receipt.part)
        if data is None:
            invalidate_receipt(storage, run_id, batch)
            kind = "segment" if receipt.segment else "records file"
            raise DamagedBatchError([batch], f"The {kind} {receipt.part.name} is missing or damaged")
        yield receipt, data


def _read_plan(storage: Storage, run_id: str) -> tuple[Plan, str]:
    """Return the run's plan and its SHA-256; raises DamagedPlanError."""
    try:
        return load_plan(storage, run_id)
    except (MissingError, DamagedError) as error:
        raise DamagedPlanError(error.what) from error


def _read_manifest(storage: Storage, plan: Plan) -> Manifest:
    """Return the run's manifest; raises DamagedPlanError if it is not the planned one."""
    blob = storage.runs.read(RunPaths(plan.run_id).manifest)
    if blob is None or sha256_of(blob.data) != plan.manifest_sha256:
        raise DamagedPlanError(f"The manifest of the run {plan.run_id} is missing or is not the planned one")
    return Manifest.load_stored(blob.data)
