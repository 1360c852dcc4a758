"""Which batches of a range are done, and which have failed permanently."""

from itertools import takewhile

from frame_tools.contracts.ids import BatchRange, step_name
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.ports import BlobContainer


def settled_batches(runs: BlobContainer, run_id: str, batches: BatchRange) -> tuple[frozenset[int], frozenset[int]]:
    """Return the batches of the range that have a receipt, and those that have a failure record.

    Two listings, of the names that begin as those of the first and the last batch do: a page each for a hundred.
    """
    names = RunPaths(run_id)
    pairs = zip(step_name(batches.first), step_name(batches.last), strict=True)
    common = "".join(digit for digit, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    receipts = {item.name for item in runs.list(names.receipts + common)}
    failures = {item.name for item in runs.list(names.failures + common)}
    return (
        frozenset(batch for batch in batches.numbers if names.receipt(batch) in receipts),
        frozenset(batch for batch in batches.numbers if names.failure(step_name(batch)) in failures),
    )
