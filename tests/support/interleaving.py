"""Controlled interleaving of concurrent handlers: a test decides which handler makes the next external access.

Each handler runs in a thread of its own, but only one thread runs at a time. Before each access to storage or Batch, a
handler checks whether its time slice is over. A schedule is a list of time slices: which handler, and how many
accesses. Handlers that are still running at the end of the schedule run to completion in order. A time slice may also
be a crash: the handler then makes no further access.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.crash import SimulatedCrash

Gate = Callable[[bool], None]
"""Called before each external access with whether it is a write."""
Handler = Callable[[Gate], None]
"""A handler that calls the gate before each external access."""
Schedule = Iterable[tuple[int, int]]
"""Time slices: the number of a handler, and how many accesses it makes before it is suspended."""

TO_THE_END: Final = 1_000_000
CRASH: Final = -1
HANG_TIMEOUT: Final = 60
"""Seconds after which a handler that does not return counts as hung."""


@dataclass
class HandlerThread:
    """One handler in its thread."""

    handler: Handler
    may_run: threading.Lock = field(default_factory=threading.Lock)
    suspended: threading.Lock = field(default_factory=threading.Lock)
    """Both locks are held, except at the moment at which a time slice begins or ends."""
    remaining: int = 0
    """Remaining accesses of its time slice."""
    accesses: int = 0
    """Accesses that it has made, or is about to make."""
    writes: list[int] = field(default_factory=list)
    """Numbers of the accesses that are writes; the first access is 1."""
    ended: bool = False
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.may_run.acquire()
        self.suspended.acquire()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.may_run.acquire()
        try:
            self.handler(self._gate)
        except BaseException as error:  # the caller of `interleave` inspects it
            self.error = error
        self.ended = True
        self.suspended.release()

    def _gate(self, writes: bool) -> None:
        if self.remaining == 0:
            self.suspended.release()
            self.may_run.acquire()
        if self.remaining == CRASH:
            raise SimulatedCrash
        self.remaining -= 1
        self.accesses += 1
        if writes:
            self.writes.append(self.accesses)

    def resume(self, accesses: int) -> None:
        """Let it make this many accesses and run up to the next one or to its end; or let it crash there."""
        if not self.ended:
            self.remaining = accesses
            self.may_run.release()
            assert self.suspended.acquire(timeout=HANG_TIMEOUT), "a handler hangs"


def interleave(handlers: Sequence[Handler], schedule: Schedule) -> list[HandlerThread]:
    """Run the handlers by the schedule; return their threads, all of which have ended."""
    threads = [HandlerThread(handler) for handler in handlers]
    for number, accesses in itertools.chain(schedule, ((n, TO_THE_END) for n in range(len(threads)))):
        threads[number].resume(accesses)
        if all(thread.ended for thread in threads):
            break
    return threads


def two_switch_schedules(run: Callable[[Schedule], Sequence[HandlerThread]]) -> Iterator[tuple[int, int]]:
    """Run the schedules "0 makes k accesses, 1 makes j, then 0 ends, then 1"; yield each (k, j) afterwards.

    If access k is a read, and 1 only reads in its slice, the schedule does the same as that with k - 1 and is left out.
    """
    reads = 0  # accesses of 1 before its first write, if it begins after k accesses of 0
    for k in itertools.count():
        for j in itertools.count(reads + 1):
            first, second = run([(0, k), (1, j), (0, TO_THE_END)])
            yield k, j
            if second.accesses <= j:
                break
        if first.accesses <= k:
            return
        changes_state = k + 1 in first.writes
        reads = 0 if changes_state else min(second.writes, default=second.accesses) - 1


def early_crashes(run: Callable[[Schedule], Sequence[HandlerThread]]) -> Iterator[int]:
    """Run the schedules "0 makes k accesses and crashes while 1 is running, 1 ends"; yield each k afterwards.

    Only crashes at the start and after a write are tried: reads leave nothing behind. How many accesses 1 has made
    before the crash changes nothing, because 0 makes none after it.
    """
    for k in (0, *run([(0, TO_THE_END)])[0].writes):
        run([(0, k), (1, 1), (0, CRASH)])
        yield k


def late_crashes(run: Callable[[Schedule], Sequence[HandlerThread]]) -> Iterator[tuple[int, int]]:
    """Run every schedule "0 makes k accesses, 1 ends, 0 makes m and crashes after a write"; yield each (k, m)."""
    for k in itertools.count():
        first, _ = run([(0, k), (1, TO_THE_END), (0, TO_THE_END)])
        for m in [written - k for written in first.writes if written > k]:
            run([(0, k), (1, TO_THE_END), (0, m), (0, CRASH)])
            yield k, m
        if first.accesses <= k:
            return


def random_schedule(handlers: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield an endless schedule of time slices of 1 to 13 accesses."""
    generator = random.Random(seed)
    while True:
        yield generator.randrange(handlers), generator.choice((1, 1, 2, 3, 5, 8, 13))
