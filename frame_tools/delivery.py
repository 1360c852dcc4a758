"""From a run's segments to its video in `output`, once: the same code in the Function App and in a Batch task.

Every segment is read, compared with its receipt and copied packet by packet; the sound is laid beside; the video is
built in blocks that become visible with one conditional commit. A lease keeps two joiners from doing the work twice,
the commit keeps them from doing harm.
"""

from collections.abc import Iterator
from contextlib import suppress

from frame_tools import manifest as manifests
from frame_tools import names
from frame_tools.blobs import AlreadyThereError, Lease, RangedReader, sha256_of
from frame_tools.errors import DamagedError, MissingError, TemporaryError
from frame_tools.media.join import Segment, join
from frame_tools.media.sink import BlockSink
from frame_tools.plan import BlobRef, Plan
from frame_tools.receipt import Outcome, Receipt, StoredFile
from frame_tools.storage import Storage


class DamagedBatchError(DamagedError):
    """Files of some batches are gone or not what their receipts say; those receipts have been set aside."""

    def __init__(self, batches: list[int], what: str) -> None:
        super().__init__(what, "The batch is scored again")
        self.batches = batches


def deliver(storage: Storage, run_id: str) -> str | None:
    """Join the run's segments into its video; returns the video's blob, or None if another joiner is at it.

    Raises DamagedBatchError after setting the receipts of damaged batches aside.
    """
    plan_blob = storage.runs.need(names.plan(run_id))
    plan = Plan.loads(plan_blob.data, "plan")
    video = names.video(run_id, plan.container)
    with storage.runs.lease(names.join_lease(run_id)) as lease:
        if lease is None:
            return None
        if storage.output.exists(video):
            return video
        receipts = [read_receipt(storage, run_id, batch) for batch in range(plan.batch_count)]
        _check_frames(storage, run_id, receipts)
        _join_into(storage, plan, receipts, video=video, lease=lease)
    return video


def _join_into(storage: Storage, plan: Plan, receipts: list[Receipt], *, video: str, lease: Lease) -> None:
    """Stream segments and sound into the new blob `video`; a run that was cancelled meanwhile gets none."""
    manifest = manifests.loads(storage.runs.need(names.manifest(plan.run_id)).data)
    audio = _open_sound(storage, plan.audio) if plan.audio else None
    sink = BlockSink(storage.output.block_writer(video))
    join(manifest, _segments(storage, plan.run_id, receipts), audio=audio, out=sink)
    if storage.runs.exists(names.cancelled(plan.run_id)):
        return
    if lease.lost:
        raise TemporaryError("The joiner's lease was lost", "The join is tried again")
    with suppress(AlreadyThereError):  # then they are somebody else's bytes, which are the same
        sink.commit()
    outcome = storage.runs.read(names.outcome(plan.run_id))
    if outcome is not None and Outcome.loads(outcome.data, "outcome").status != "finished":
        storage.output.delete(video)  # the run ended between the last look and the commit


def _open_sound(storage: Storage, sound: BlobRef) -> RangedReader:
    """Open the sound; raises DamagedError if it has gone since the run was planned."""
    try:
        return storage.data_container(sound.container).open(sound.name)
    except MissingError as error:
        raise DamagedError(
            f"The sound {sound.container}/{sound.name} is not there any more",
            "Upload it again, then resubmit what is missing",
        ) from error


def _segments(storage: Storage, run_id: str, receipts: list[Receipt]) -> Iterator[Segment]:
    """Yield each segment, checked against its receipt, one in memory at a time."""
    for batch, receipt in enumerate(receipts):
        data = _intact(storage, receipt.segment)
        if data is None:
            set_aside(storage, run_id, batch)
            raise DamagedBatchError([batch], f"The segment {receipt.segment.name} is gone or damaged")
        yield Segment(receipt.segment.name, receipt.end - receipt.start, data)


def read_receipt(storage: Storage, run_id: str, batch: int) -> Receipt:
    """Return a batch's receipt; raises MissingError."""
    return Receipt.loads(storage.runs.need(names.receipt(run_id, batch)).data, "receipt")


def _check_frames(storage: Storage, run_id: str, receipts: list[Receipt]) -> None:
    """Raise DamagedBatchError if a styled frame is gone or damaged.

    One listing tells size and ETag of them all; only a frame whose ETag is another than in its receipt (written
    again by a second attempt, or tampered with) is read and hashed.
    """
    listed = {i.name: i for folder in sorted({_folder(r) for r in receipts}) for i in storage.work.list(folder)}
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
    blob = storage.runs.read(names.receipt(run_id, batch))
    if blob is not None:
        storage.runs.create(names.damaged_receipt(run_id, batch, blob.etag), blob.data)
        storage.runs.delete(names.receipt(run_id, batch), etag=blob.etag)
