"""The schedules that are left out lead to no state that the others don't lead to."""

import random
from collections.abc import Sequence

import pytest

from tests.support.interleaving import (
    TO_THE_END,
    Access,
    Gate,
    Handler,
    HandlerThread,
    Schedule,
    interleave,
    two_switch_schedules,
)

Step = tuple[str, bool]
"""A variable, and whether it is written."""


class SharedVariables:
    """Three variables, on which two random programs work."""

    def __init__(self, programs: Sequence[Sequence[Step]]) -> None:
        self.programs = programs
        self.values: dict[str, object] = {}
        self.seen: list[list[object]] = [[], []]

    def run(self, schedule: Schedule) -> list[HandlerThread]:
        """Run both programs by the schedule, on fresh variables."""
        self.values, self.seen = dict.fromkeys("abc", 0), [[], []]
        return interleave([self._handler(0), self._handler(1)], schedule)

    def state(self) -> object:
        """What the variables are now, and what the programs read."""
        return tuple(sorted(self.values.items())), tuple(map(tuple, self.seen))

    def _handler(self, number: int) -> Handler:
        def handle(gate: Gate) -> None:
            for place, (variable, writes) in enumerate(self.programs[number]):
                gate(variable, writes)
                if writes:
                    self.values[variable] = (number, place, len(self.seen[number]))
                else:
                    self.seen[number].append(self.values[variable])

        return handle


def random_program(generator: random.Random) -> list[Step]:
    return [(generator.choice("abc"), generator.random() < 0.4) for _ in range(generator.randint(1, 6))]


@pytest.mark.parametrize("seed", range(40))
def test_all_states_are_reached(seed: int) -> None:
    generator = random.Random(seed)
    shared = SharedVariables([random_program(generator), random_program(generator)])
    expected = set()
    for k in range(len(shared.programs[0]) + 1):
        for j in range(len(shared.programs[1]) + 1):
            shared.run([(0, k), (1, j), (0, TO_THE_END)])
            expected.add(shared.state())
    reached = set()
    schedules = []
    for schedule in two_switch_schedules(shared.run):
        schedules.append(schedule)
        reached.add(shared.state())
    assert reached == expected
    assert len(schedules) == len(set(schedules))


def test_independent_programs_need_two_schedules() -> None:
    shared = SharedVariables([[("a", True), ("b", False)], [("b", False), ("c", True)]])
    assert list(two_switch_schedules(shared.run)) == [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("one", "other", "conflicts"),
    [
        (Access("runs/a", True), Access("runs/a", True), True),
        (Access("runs/a", True), Access("runs/a", False), True),
        (Access("runs/a/b", True), Access("runs/a", False), True),
        (Access("runs/a", True), Access("runs/a/b", False), False),
        (Access("runs/a", False), Access("runs/a", False), False),
        (Access("runs/a", True), Access("runs/b", True), False),
    ],
)
def test_conflicts(one: Access, other: Access, conflicts: bool) -> None:
    assert one.conflicts_with(other) is conflicts
    assert other.conflicts_with(one) is conflicts
