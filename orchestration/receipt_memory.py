"""Receipts that a join of this process has just read, kept for the report that follows it."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Receipt
from frame_tools.storage.receipts import ReceiptVersion

ReceiptsByVersion: TypeAlias = Mapping[tuple[str, str], Receipt]
"""Receipts by the names and ETags of their blobs."""
MOST_RECEIPTS: Final = 2000
"""Receipts of all runs together, of about 5 kB each without their frames; those of larger runs are read again."""


class ReceiptMemory:
    """Receipts without frames, by run; thread-safe. What is missing here is read from storage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, tuple[ReceiptVersion, ...]] = {}

    def keep(self, run_id: str, receipts: Sequence[ReceiptVersion]) -> None:
        """Keep the receipts of all batches of a run; if these are too many, forget the runs that were kept first."""
        with self._lock:
            self._runs.pop(run_id, None)
            self._runs[run_id] = tuple(receipts)
            while sum(map(len, self._runs.values())) > MOST_RECEIPTS:
                del self._runs[next(iter(self._runs))]

    def take(self, run_id: str) -> ReceiptsByVersion:
        """Return the receipts of a run and forget them."""
        run = RunPaths(run_id)
        with self._lock:
            versions = self._runs.pop(run_id, ())
        return {(run.receipt(batch), version.etag): version.receipt for batch, version in enumerate(versions)}
