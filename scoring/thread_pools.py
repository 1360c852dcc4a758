"""Thread pools that fail together and end with the `with` block around them."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_BACKGROUND_NICENESS = 10  # of 19: beside a busy network these threads get the remaining time, and still run


class PoolGroup:
    """Thread pools that end together and share their first error."""

    def __init__(self) -> None:
        self._pools: list[ThreadPoolExecutor] = []
        self._failure: Future[None] = Future()

    def __enter__(self) -> "PoolGroup":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown(wait=True)

    def start_pool(self, name: str, size: int, *, background: bool = True) -> ThreadPoolExecutor:
        """Start a pool of `size` threads; those of a background pool run at a lower priority."""
        pool = ThreadPoolExecutor(size, f"stream-{name}", initializer=_lower_priority if background else None)
        self._pools.append(pool)
        return pool

    def submit(self, pool: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit `call` to `pool`."""
        future = pool.submit(call, *args, **kwargs)
        future.add_done_callback(self._record_failure)
        return future

    def result(self, future: Future[T]) -> T:
        """Wait for the result of `future`; raise the first error of any submitted call as soon as it occurs."""
        either: tuple[Future[Any], ...] = (future, self._failure)
        wait(either, return_when=FIRST_COMPLETED)
        if self._failure.done():
            self._failure.result()
        return future.result()

    def _record_failure(self, future: "Future[T]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            with suppress(InvalidStateError):  # another call failed first
                self._failure.set_exception(error)


def _lower_priority() -> None:
    """Lower the priority of the calling thread where threads have their own (Linux), in favor of the scorer's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _BACKGROUND_NICENESS)


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
