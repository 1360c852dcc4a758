"""What it costs to join and end a run: requests counted below the storage SDK."""

from math import ceil

import pytest

from benchmarks.scale.cases import joining
from benchmarks.scale.figures import POOLS
from orchestration import receipt_memory

FIXED = 60
"""Requests whatever the number of batches, beside receipts and segments, with one page of each listing."""
HISTORY = 2
"""To keep the throughput of a run that is long enough to have one."""
PER_BATCH = 2
"""The receipt and the segment, each read once."""


@pytest.mark.parametrize("batches", [10, 50])
def test_receipt_and_segment_are_read_once(batches: int) -> None:
    requests = joining(96 * batches).requests
    assert requests.total == FIXED + HISTORY + PER_BATCH * batches
    assert requests.threads["reader"] == PER_BATCH * batches
    assert requests.serial(POOLS) == FIXED + HISTORY + ceil(PER_BATCH * batches / 16)


def test_receipts_of_a_long_run_are_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more batches than the process keeps receipts of, the report reads them again, 16 at a time."""
    monkeypatch.setattr(receipt_memory, "MOST_RECEIPTS", 20)
    requests = joining(2 * 48, per_batch=2).requests
    assert requests.threads["reader"] == 3 * 48
    assert requests.serial(POOLS) == FIXED + ceil(3 * 48 / 16)
