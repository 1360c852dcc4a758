"""Duplicate delivery: each message one to five times, out of order, to test for rare events of a real cloud.

Some copies of a message run concurrently, others in sequence. The plan is seeded: the same seed and the same messages
in the same batches give the same plan.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

MAX_COPIES = 5
_Item = TypeVar("_Item")


class DuplicateDelivery:
    """The delivery plans of one queue."""

    def __init__(self, seed: int, queue: str) -> None:
        self._random = random.Random(f"{seed}/{queue}")  # noqa: S311 - reproducible on purpose, not a secret

    def plan(self, batch: Sequence[_Item]) -> list[tuple[_Item, int]]:
        """Return chains of deliveries in start order: (message, number of deliveries in sequence).

        Chains run concurrently; a message can have several. Each message has 1 to 5 deliveries in total.
        """
        chains = []
        for message in batch:
            copies = self._random.randint(1, MAX_COPIES)
            while copies:
                length = self._random.randint(1, copies)
                chains.append((message, length))
                copies -= length
        self._random.shuffle(chains)
        return chains
