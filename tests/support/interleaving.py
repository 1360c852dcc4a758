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

Gate = Callable[[str, bool], None]
"""Called before each external access with what is accessed and whether it is a write."""
Handler = Callable[[Gate], None]
"""A handler that calls the gate before each external access."""
Schedule = Iterable[tuple[int, int]]
"""Time slices: the number of a handler, and how many accesses it makes before it is suspended."""

TO_THE_END: Final = 1_000_000
CRASH: Final = -1
HANG_TIMEOUT: Final = 60
"""Seconds after which a handler that does not return counts as hung."""


@dataclass(frozen=True)
class Access:
    """One access to storage or Batch."""

    resource: str
    """The name of what is written; of what is read, the beginning of the names."""
    writes: bool

    def conflicts_with(self, other: "Access") -> bool:
        """Return whether the order of the two accesses matters."""
        if self.writes and other.writes:
            return self.resource == other.resource
        if self.writes:
            return self.resource.startswith(other.resource)
        return other.writes and other.resource.startswith(self.resource)

    def conflicts_with_any(self, others: Iterable["Access"]) -> bool:
        """Return whether the order of this access and one of the others matters."""
        return any(self.conflicts_with(other) for other in others)


@dataclass
class HandlerThread:
    """One handler in its thread."""

    handler: Handler
    may_run: threading.Lock = field(default_factory=threading.Lock)
    suspended: threading.Lock = field(default_factory=threading.Lock)
    """Both locks are held, except at the moment at which a time slice begins or ends."""
    remaining: int = 0
    """Remaining accesses of its time slice."""
    accesses: list[Access] = field(default_factory=list)
    """Accesses that it has made, or is about to make."""
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

    @property
    def writes(self) -> list[int]:
        """Numbers of the accesses that are writes; the first access is 1."""
        return [number for number, access in enumerate(self.accesses, 1) if access.writes]

    def _gate(self, resource: str, writes: bool) -> None:
        if self.remaining == 0:
            self.suspended.release()
            self.may_run.acquire()
        if self.remaining == CRASH:
            raise SimulatedCrash
        self.remaining -= 1
        self.accesses.append(Access(resource, writes))

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

    Schedules that differ only in the order of accesses that don't conflict have the same result, so one of them is run
    (partial-order reduction, Godefroid 1996): (k, j) is left out if access k of 0 conflicts with none of the j accesses
    of 1, so that it equals (k - 1, j), or if access j of 1 conflicts with none of those that 0 makes after it, so that
    it equals (k, j - 1).
    """
    alone = run([(0, TO_THE_END)])[0].accesses
    yield 0, 0
    undisturbed: list[Access] = []  # the accesses of 1 if it begins after k accesses of 0 and runs to its end
    for k in range(len(alone) + 1):
        j = 1 if k == 0 else _first_conflict(alone[k - 1], undisturbed)
        while j is not None:
            first, second = run([(0, k), (1, j), (0, TO_THE_END)])
            yield k, j
            undisturbed, rest = second.accesses, first.accesses[k:]
            later = range(j + 1, len(undisturbed) + 1)
            j = next((number for number in later if undisturbed[number - 1].conflicts_with_any(rest)), None)


def _first_conflict(access: Access, others: Sequence[Access]) -> int | None:
    """Return the number of the first of the other accesses that conflicts with this one; the first access is 1."""
    return next((number for number, other in enumerate(others, 1) if access.conflicts_with(other)), None)


def early_crashes(run: Callable[[Schedule], Sequence[HandlerThread]]) -> Iterator[int]:
    """Run the schedules "0 makes k accesses and crashes while 1 is running, 1 ends"; yield each k afterwards.

    Only crashes at the start and after a write are tried: reads leave nothing behind. How many accesses 1 has made
    before the crash changes nothing, because 0 makes none after it.
    """
    for k in (0, *run([(0, TO_THE_END)])[0].writes):
        run([(0, k), (1, 1), (0, CRASH)])
        yield k


def late_crashes(run: Callable[[Schedule], Sequence[HandlerThread]]) -> Iterator[tuple[int, int]]:
    """Run the schedules "0 makes k accesses, 1 ends, 0 makes m and crashes after a write"; yield each (k, m).

    k is left out if access k of 0 conflicts with none of the accesses of 1: it equals k - 1.
    """
    alone = run([(0, TO_THE_END)])[0].accesses
    undisturbed: list[Access] = []  # the accesses of 1 if it begins after k accesses of 0
    for k in range(len(alone) + 1):
        if k > 0 and not alone[k - 1].conflicts_with_any(undisturbed):
            continue
        first, second = run([(0, k), (1, TO_THE_END), (0, TO_THE_END)])
        undisturbed = second.accesses
        for m in [written - k for written in first.writes if written > k]:
            run([(0, k), (1, TO_THE_END), (0, m), (0, CRASH)])
            yield k, m


def random_schedule(handlers: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield an endless schedule of time slices of 1 to 13 accesses."""
    generator = random.Random(seed)
    while True:
        yield generator.randrange(handlers), generator.choice((1, 1, 2, 3, 5, 8, 13))
