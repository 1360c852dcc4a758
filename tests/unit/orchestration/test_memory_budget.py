"""The memory that calls share: held, waited for, and given back."""

import threading

import pytest

from orchestration.memory_budget import JOIN_BYTES, TOTAL_BYTES, MemoryBudget, plan_bytes
from tests.support.waiting import until


def test_call_waits_until_its_part_is_free() -> None:
    budget, events = MemoryBudget(10), []

    def later() -> None:
        with budget.hold(5):
            events.append("second")

    with budget.hold(6):
        thread = threading.Thread(target=later)
        thread.start()
        with budget.hold(4):  # a smaller part is still free
            events.append("first")
        assert events == ["first"]
    until(lambda: len(events) == 2)
    thread.join()
    assert events == ["first", "second"]


def test_failed_call_gives_its_part_back() -> None:
    budget = MemoryBudget(10)
    with pytest.raises(KeyError), budget.hold(10):
        raise KeyError
    with budget.hold(10):
        pass


def test_part_larger_than_all_waits_for_all_only() -> None:
    with MemoryBudget(10).hold(1000):
        pass


def test_a_plan_and_a_join_fit_together() -> None:
    assert plan_bytes(50 * 2**20) + JOIN_BYTES <= TOTAL_BYTES
