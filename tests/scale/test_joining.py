"""What it costs to join and end a run: requests counted below the storage SDK."""

from math import ceil

import pytest

from benchmarks.scale.cases import joining
from benchmarks.scale.figures import POOLS
from orchestration.receipt_memory import MOST_RECEIPTS

FIXED = 59
"""Requests whatever the number of batches, beside receipts and segments, with one page of each listing."""
PER_BATCH = 2
"""The receipt and the segment, each read once."""


@pytest.mark.parametrize("batches", [10, 50])
def test_receipt_and_segment_are_read_once(batches: int) -> None:
    requests = joining(96 * batches).requests
    assert requests.total == FIXED + PER_BATCH * batches
    assert requests.threads["reader"] == PER_BATCH * batches
    assert requests.serial(POOLS) == FIXED + ceil(PER_BATCH * batches / 16)


def test_long_run_is_joined_in_a_few_rounds() -> None:
    """Of more batches than the process keeps receipts of, each receipt is read twice, 16 at a time."""
    batches = MOST_RECEIPTS + 100
    requests = joining(2 * batches, per_batch=2).requests
    assert requests.threads["reader"] == 3 * batches
    assert requests.serial(POOLS) <= FIXED + 3 * ceil(3 * batches / 16) // 2
