"""A bound on the memory that concurrent calls of one instance take together.

An instance has 2 GB for the host and for every call in progress: up to a dozen messages, several trigger files, the
timer and HTTP requests. Calls that read large files hold a part of the budget while they do; more of them wait.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TOTAL_BYTES: Final = 704 * 2**20
"""With the 140 MB that an idle process takes, less than half of an instance's 2 GB."""
JOIN_BYTES: Final = 320 * 2**20
"""Joining: a segment with its packets, those read ahead, the receipts, the index, and the blocks that are uploaded."""
DOCUMENT_BYTES: Final = 160 * 2**20
"""A status or a report: all receipts, or a manifest with one timestamp per frame."""


def plan_bytes(max_style_bytes: int) -> int:
    """Return what planning takes: three copies of one style file, the listing of the frames, and the manifest."""
    return 3 * max_style_bytes + 64 * 2**20


class MemoryBudget:
    """Bytes that calls hold and give back; thread-safe. A call must not hold two parts at a time."""

    def __init__(self, total_bytes: int = TOTAL_BYTES) -> None:
        self._total = total_bytes
        self._free = total_bytes
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are free, at most all of them, and hold them in the `with` block."""
        part = min(size, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= part)
            self._free -= part
        try:
            yield
        finally:
            with self._changed:
                self._free += part
                self._changed.notify_all()
