"""Duplicate delivery plans."""

from hypothesis import given
from hypothesis import strategies as st

from local_cloud.function_host.triggers.queue.duplicate_delivery import MAX_COPIES, DuplicateDelivery


@given(st.lists(st.integers(), max_size=8, unique=True), st.integers())
def test_plan_has_one_to_five_deliveries(batch: list[int], seed: int) -> None:
    chains = DuplicateDelivery(seed, "queue").plan(batch)
    assert chains == DuplicateDelivery(seed, "queue").plan(batch)
    for message in batch:
        assert 1 <= sum(length for item, length in chains if item == message) <= MAX_COPIES
    assert all(length >= 1 for _, length in chains)
