"""From what a run's batches left to its video or records in `output`, once: in the Function App and in a Batch task.

Every part is read and compared with its receipt. Segments are copied packet by packet, with the sound beside them;
records are laid one behind the other in frame order. The result is built in blocks that become visible with one
conditional commit. A lease keeps two joiners from doing the work twice, the commit keeps them from doing harm.
"""

from collections.abc import Iterator
from contextlib import suppress

from frame_tools.contracts.errors import DamagedError, MissingError, NextStep, TemporaryError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.contracts.receipt import Outcome, Receipt, StoredFile
from frame_tools.media.join import Segment, join
from frame_tools.media.sink import BlockSink
from frame_tools.storage.blobs import AlreadyThereError, Lease, RangedReader, sha256_of
from frame_tools.storage.deployment import Storage


class DamagedBatchError(DamagedError):
    """Files of some batches are gone or not what their receipts say; those receipts have been set aside."""

    def __init__(self, batches: list[int], what: str) -> None:
        super().__init__(what, "The batch is scored again", next_step=NextStep.RETRY_LATER)
        self.batches = batches


def assemble_output(storage: Storage, run_id: str) -> str | None:
    """Join the run's parts into its video or records; returns their blob, or None if another joiner is at it.

    Raises DamagedBatchError after setting the receipts of damaged batches aside.
    """
    plan = Plan.load_stored(storage.runs.need(RunPaths(run_id).plan).data)
    with storage.runs.lease(RunPaths(run_id).join_lease) as lease:
        if lease is None:
            return None
        if storage.output.exists(plan.product):
            return plan.product
        receipts = [read_receipt(storage, run_id, batch) for batch in range(plan.batch_count)]
        _check_frames(storage, run_id, receipts)
        sink = BlockSink(storage.output.block_writer(plan.product))
        if plan.makes == "records":
            _gather_into(sink, storage, run_id, receipts)
        else:
            _join_into(sink, storage, plan, receipts)
        _commit(sink, storage, plan, lease)
    return plan.product


def _join_into(sink: BlockSink, storage: Storage, plan: Plan, receipts: list[Receipt]) -> None:
    """Stream segments and sound into the sink."""
    manifest = Manifest.load_stored(storage.runs.need(RunPaths(plan.run_id).manifest).data)
    audio = _open_sound(storage, plan.audio) if plan.audio else None
    segments = (
        Segment(receipt.product.name, receipt.end - receipt.start, data)
        for receipt, data in _parts(storage, plan.run_id, receipts)
    )
    join(manifest, segments, audio=audio, out=sink)


def _gather_into(sink: BlockSink, storage: Storage, run_id: str, receipts: list[Receipt]) -> None:
    """Stream the records of all frames into the sink; raises DamagedError unless there is one a frame."""
    for receipt, data in _parts(storage, run_id, receipts):
        lines, frames = data.count(b"\n"), receipt.end - receipt.start
        if lines != frames or not data.endswith(b"\n"):
            raise DamagedError(
                f"{receipt.product.name} holds {lines} records for {frames} frames",
                "The scorer must write one line for each frame; mend it, then resubmit all",
                next_step=NextStep.RESUBMIT,
            )
        sink.write(data)


def _commit(sink: BlockSink, storage: Storage, plan: Plan, lease: Lease) -> None:
    """Make the result visible; a run that was cancelled meanwhile gets none."""
    if storage.runs.exists(RunPaths(plan.run_id).cancelled):
        return
    if lease.lost:
        raise TemporaryError("The joiner's lease was lost", "The join is tried again")
    with suppress(AlreadyThereError):  # then they are somebody else's bytes, which are the same
        sink.commit()
    outcome = storage.runs.read(RunPaths(plan.run_id).outcome)
    if outcome is not None and Outcome.load_stored(outcome.data).status != "finished":
        storage.output.delete(plan.product)  # the run ended between the last look and the commit


def _open_sound(storage: Storage, sound: BlobRef) -> RangedReader:
    """Open the sound; raises DamagedError if it has gone since the run was planned."""
    try:
        return storage.data_container(sound.container).open(sound.name)
    except MissingError as error:
        raise DamagedError(
            f"The sound {sound.container}/{sound.name} is not there any more",
            "Upload it again, then resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        ) from error


def _parts(storage: Storage, run_id: str, receipts: list[Receipt]) -> Iterator[tuple[Receipt, bytes]]:
    """Yield each batch's segment or records, checked against its receipt, one in memory at a time."""
    for batch, receipt in enumerate(receipts):
        data = _intact(storage, receipt.product)
        if data is None:
            set_aside(storage, run_id, batch)
            what = "segment" if receipt.segment else "records file"
            raise DamagedBatchError([batch], f"The {what} {receipt.product.name} is gone or damaged")
        yield receipt, data


def read_receipt(storage: Storage, run_id: str, batch: int) -> Receipt:
    """Return a batch's receipt; raises MissingError."""
    return Receipt.load_stored(storage.runs.need(RunPaths(run_id).receipt(batch)).data)


def _check_frames(storage: Storage, run_id: str, receipts: list[Receipt]) -> None:
    """Raise DamagedBatchError if a styled frame is gone or damaged.

    One listing tells size and ETag of them all; only a frame whose ETag is another than in its receipt (written
    again by a second attempt, or tampered with) is read and hashed.
    """
    folders = sorted({_folder(receipt) for receipt in receipts if receipt.frames})
    listed = {item.name: item for folder in folders for item in storage.work.list(folder)}
    bad: list[int] = []
    for batch, receipt in enumerate(receipts):
        for frame in receipt.frames:
            found = listed.get(frame.name)
            same = found is not None and found.size == frame.size and found.etag == frame.etag
            if not same and (found is None or _intact(storage, frame) is None):
                bad.append(batch)
                break
    for batch in bad:
        set_aside(storage, run_id, batch)
    if bad:
        raise DamagedBatchError(bad, f"Styled frames of the batches {bad[:10]} are gone or damaged")


def _folder(receipt: Receipt) -> str:
    return receipt.frames[0].name.rsplit("/", 1)[0] + "/"


def _intact(storage: Storage, stored: StoredFile) -> bytes | None:
    """Return the file's bytes if they are still the ones of the receipt."""
    blob = storage.work.read(stored.name, limit=stored.size)
    return blob.data if blob is not None and sha256_of(blob.data) == stored.sha256 else None


def set_aside(storage: Storage, run_id: str, batch: int) -> None:
    """Move a batch's receipt out of the way, so that the batch counts as missing and is scored again."""
    blob = storage.runs.read(RunPaths(run_id).receipt(batch))
    if blob is not None:
        storage.runs.create(RunPaths(run_id).damaged_receipt(batch, blob.etag), blob.data)
        storage.runs.delete(RunPaths(run_id).receipt(batch), etag=blob.etag)
