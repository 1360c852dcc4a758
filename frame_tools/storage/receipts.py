"""The receipts of a run's batches: read once, several at a time, and compared with the plan."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from frame_tools.contracts.errors import DamagedError, MissingError, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt, StoredFile, receipt_mismatch
from frame_tools.storage.blobs.values import Blob, sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.ports import BlobContainer
from frame_tools.storage.quarantine import quarantine
from frame_tools.storage.read_ahead import NeededBlob, read_ahead

_log = logging.getLogger(__name__)


class DamagedBatchError(DamagedError):
    """Files of some batches are missing or do not match their receipts, which have been invalidated."""

    def __init__(self, batches: list[int], what: str) -> None:
        super().__init__(what, "Wait: these batches are scored again.", next_step=NextStep.RETRY_LATER)
        self.batches = batches


class MissingReceiptError(MissingError):
    """A receipt that was there a moment ago is gone: another joiner has invalidated it."""


@dataclass(frozen=True)
class ReceiptVersion:
    """A receipt, and which version of its blob it is."""

    etag: str
    receipt: Receipt

    def without_frames(self) -> "ReceiptVersion":
        """Return the receipt without its frames, whose names and hashes take most of its memory."""
        return ReceiptVersion(self.etag, self.receipt.model_copy(update={"frames": ()}))


def read_receipts(storage: Storage, plan: Plan, plan_sha256: str) -> list[ReceiptVersion]:
    """Return the receipts of all batches without their frames, after checking that each frame is intact.

    Raises DamagedBatchError after invalidating those that cannot be read, prove another batch, run or plan, or whose
    painted frames are missing or damaged; MissingReceiptError if one is missing.
    """
    frames, receipts = PaintedFrames(storage.work), list[ReceiptVersion]()
    damaged: list[int] = []
    reasons: list[str] = []
    for batch, blob in enumerate(_read_blobs(storage.runs, plan)):
        try:
            receipt = _checked(blob, batch, plan, plan_sha256)
            frames.check(receipt)
            receipts.append(ReceiptVersion(blob.etag, receipt).without_frames())
        except DamagedError as error:
            _log.warning("run %s: the receipt of batch %d is set aside: %s", plan.run_id, batch, error.what)
            invalidate_receipt(storage, plan.run_id, batch)
            damaged.append(batch)
            reasons.append(error.what)
    if damaged:
        raise DamagedBatchError(damaged, f"Of the batches {damaged[:10]}, receipts or frames are damaged: {reasons[0]}")
    return receipts


def _read_blobs(runs: BlobContainer, plan: Plan) -> Iterator[Blob]:
    """Yield the receipts in the order of the batches; raises MissingReceiptError."""
    run = RunPaths(plan.run_id)
    sizes = {item.name: item.size for item in runs.list(run.receipts)}
    names = [run.receipt(batch) for batch in range(plan.batch_count)]
    for batch, name in enumerate(names):
        if name not in sizes:
            raise _missing(batch)
    needed = (NeededBlob(name, min(sizes[name], Receipt.max_bytes), Receipt.max_bytes) for name in names)
    for batch, blob in enumerate(read_ahead(runs, needed)):
        if blob is None:
            raise _missing(batch)
        yield blob


def _missing(batch: int) -> MissingReceiptError:
    return MissingReceiptError(f"The batch {batch} has no receipt", "Wait: it is scored again.")


def _checked(blob: Blob, batch: int, plan: Plan, plan_sha256: str) -> Receipt:
    """Return a receipt that proves a batch of the plan; raises DamagedError for any other."""
    receipt = Receipt.load_stored(blob.data)
    mismatch = receipt_mismatch(receipt, sha256=sha256_of(blob.data), batch=batch, plan=plan, plan_sha256=plan_sha256)
    if mismatch is not None:
        raise DamagedError(f"The receipt of batch {batch} does not fit: {mismatch}", "Wait: it is scored again.")
    return receipt


def read_receipt(storage: Storage, run_id: str, batch: int) -> Receipt:
    """Return a batch's receipt; raises MissingReceiptError if there is none, DamagedError if it cannot be read."""
    blob = storage.runs.read(RunPaths(run_id).receipt(batch), limit=Receipt.max_bytes)
    if blob is None:
        raise _missing(batch)
    return Receipt.load_stored(blob.data)


class PaintedFrames:
    """Painted frames in `work`, compared with their receipts by one listing of each folder.

    Only a frame whose ETag differs from its receipt (written again by a second attempt, or tampered with) is read and
    hashed.
    """

    def __init__(self, work: BlobContainer) -> None:
        self._work = work
        self._folders = set[str]()
        self._listed: dict[str, tuple[int, str]] = {}
        """Size and ETag by name: a fifth of the memory of all properties."""

    def check(self, receipt: Receipt) -> None:
        """Raise DamagedError if a frame of the receipt is missing or damaged."""
        for frame in receipt.frames:
            self._list(frame.name.rsplit("/", 1)[0] + "/")
            is_same = self._listed.get(frame.name) == (frame.size, frame.etag)
            if not is_same and read_intact(self._work, frame) is None:
                raise DamagedError(f"The painted frame {frame.name} is missing or damaged", "Wait: it is scored again.")

    def _list(self, folder: str) -> None:
        if folder not in self._folders:
            self._folders.add(folder)
            self._listed |= {item.name: (item.size, item.etag) for item in self._work.list(folder)}


def read_intact(work: BlobContainer, stored: StoredFile) -> bytes | None:
    """Return the file's bytes if their hash matches the receipt, else None."""
    return intact(work.read(stored.name, limit=stored.size), stored)


def intact(blob: Blob | None, stored: StoredFile) -> bytes | None:
    """Return the bytes of a blob if they are the file that a receipt names, else None."""
    return blob.data if blob is not None and sha256_of(blob.data) == stored.sha256 else None


def invalidate_receipt(storage: Storage, run_id: str, batch: int) -> None:
    """Move a batch's receipt to another name, so that the batch counts as missing and is scored again."""
    quarantine(storage.runs, run_id, RunPaths(run_id).receipt(batch))
