"""Thread pools for the stages of a pipeline: they fail together, and none outlives the `with` around them."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

_NICENESS = 10  # of 19: beside a busy network these threads get what it leaves, and still run


class PoolGroup:
    """Thread pools that end together, and one place where the first error of any of their calls is seen."""

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

    def pool(self, name: str, size: int, *, first: bool = False) -> ThreadPoolExecutor:
        """Start a pool; its threads step back for others unless they come `first`."""
        pool = ThreadPoolExecutor(size, f"stream-{name}", initializer=None if first else _lower_priority)
        self._pools.append(pool)
        return pool

    def submit(self, pool: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `call` done by `pool`."""
        future = pool.submit(call, *args, **kwargs)
        future.add_done_callback(self._note)
        return future

    def result(self, future: Future[T]) -> T:
        """Wait for the result, or raise the first error of any call, whichever comes first."""
        either: tuple[Future[Any], ...] = (future, self._failure)
        wait(either, return_when=FIRST_COMPLETED)
        if self._failure.done():
            self._failure.result()
        return future.result()

    def _note(self, future: "Future[T]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            with suppress(InvalidStateError):  # another call failed first
                self._failure.set_exception(error)


def _lower_priority() -> None:
    """Lower this thread's priority where threads have their own (Linux): the scorer's threads go first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def available_cores() -> int:
    """How many cores this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
