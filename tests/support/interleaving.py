"""Handlers that take turns: whose next access outside comes first is for the test to say, so every race can be played.

Each handler runs in a thread of its own, but only one runs at a time. Before each access to storage or Batch it asks
whether its turn goes on. A schedule is a list of turns: whose, and how many accesses long. Who has not ended when the
schedule has, goes on to the end, in the order of their numbers. A turn may also be the handler's death: it makes no
further access, whatever it tries.
"""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.crash import Killed

Gate = Callable[[bool], None]
Handler = Callable[[Gate], None]
"""Something that calls the gate before each access outside, with whether it writes."""
Schedule = Iterable[tuple[int, int]]
"""Turns: the number of a handler, and how many accesses it makes before the next one's turn."""

TO_THE_END: Final = 1_000_000
DEATH: Final = -1
HANGS: Final = 60
"""Seconds after which a handler that does not come back is given up: only a hang meets it."""


@dataclass
class Player:
    """One handler in its thread."""

    handler: Handler
    turn: threading.Lock = field(default_factory=threading.Lock)
    back: threading.Lock = field(default_factory=threading.Lock)
    """Both locks are held but for the moment in which a turn is given, or given back."""
    left: int = 0
    """Accesses that are left of its turn."""
    taken: int = 0
    """Accesses that it has made, or is about to make."""
    writes: list[int] = field(default_factory=list)
    """Which of them write, the first being 1."""
    ended: bool = False
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self.turn.acquire()
        self.back.acquire()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.turn.acquire()
        try:
            self.handler(self._gate)
        except BaseException as error:  # told to whoever plays
            self.error = error
        self.ended = True
        self.back.release()

    def _gate(self, writes: bool) -> None:
        if self.left == 0:
            self.back.release()
            self.turn.acquire()
        if self.left == DEATH:
            raise Killed
        self.left -= 1
        self.taken += 1
        if writes:
            self.writes.append(self.taken)

    def go_on(self, accesses: int) -> None:
        """Let it make so many accesses, and run up to the next one or to its end; or let it die there."""
        if not self.ended:
            self.left = accesses
            self.turn.release()
            assert self.back.acquire(timeout=HANGS), "a handler does not come back"


def play(handlers: Sequence[Handler], schedule: Schedule) -> list[Player]:
    """Play the handlers by the schedule; returns them as they ended."""
    players = [Player(handler) for handler in handlers]
    for number, accesses in itertools.chain(schedule, ((n, TO_THE_END) for n in range(len(players)))):
        players[number].go_on(accesses)
        if all(player.ended for player in players):
            break
    return players


def two_switches(run: Callable[[Schedule], Sequence[Player]]) -> Iterator[tuple[int, int]]:
    """Play every schedule "0 makes k accesses, 1 makes j, then 0 ends, then 1"; yields each (k, j) when played."""
    for k in itertools.count():
        for j in itertools.count(1):
            one, other = run([(0, k), (1, j), (0, TO_THE_END)])
            yield k, j
            if other.taken <= j:
                break
        if one.taken <= k:
            return


def early_deaths(run: Callable[[Schedule], Sequence[Player]]) -> Iterator[tuple[int, int]]:
    """Play every schedule "0 makes k accesses, 1 makes j, 0 dies, 1 ends"; yields each (k, j) when played.

    Deaths count at the start and after a write: whether one has only read since then, nobody sees.
    """
    for k in (0, *run([(0, TO_THE_END)])[0].writes):
        for j in itertools.count(1):
            _, other = run([(0, k), (1, j), (0, DEATH)])
            yield k, j
            if other.taken <= j:
                break


def late_deaths(run: Callable[[Schedule], Sequence[Player]]) -> Iterator[tuple[int, int]]:
    """Play every schedule "0 makes k accesses, 1 ends, 0 makes m more and dies after a write"; yields each (k, m)."""
    for k in itertools.count():
        one, _ = run([(0, k), (1, TO_THE_END), (0, TO_THE_END)])
        for m in [written - k for written in one.writes if written > k]:
            run([(0, k), (1, TO_THE_END), (0, m), (0, DEATH)])
            yield k, m
        if one.taken <= k:
            return


def at_random(players: int, seed: int) -> Iterator[tuple[int, int]]:
    """Yield an endless schedule of turns between one and thirteen accesses long."""
    dice = random.Random(seed)
    while True:
        yield dice.randrange(players), dice.choice((1, 1, 2, 3, 5, 8, 13))
