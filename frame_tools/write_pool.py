"""Writing on several threads: bounded memory, and errors that are raised by a later call."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class WritePool:
    """Executes writes on `threads` threads, with as many again waiting; thread-safe.

    Leaving the `with` block waits for all of them and raises the first error; after an error inside of the block, those
    that have not begun are dropped.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = 2 * threads
        self._lock = threading.Lock()
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._pending:
                future.result()

    def submit(self, write: Callable[[], None]) -> None:
        """Queue a write; while too many are pending, wait for the oldest, and raise its error."""
        with self._lock:
            oldest = self._pending.popleft() if len(self._pending) >= self._most else None
            self._pending.append(self._pool.submit(write))
        if oldest is not None:
            oldest.result()
