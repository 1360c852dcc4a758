"""Mischief: deliver every message one to five times, out of order, so that tests meet what a cloud does seldom.

Some copies of a message run beside each other, others one after the other. Seeded: the same seed and the same messages
in the same batches give the same plan.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

MAX_COPIES = 5
_Item = TypeVar("_Item")


class DuplicateDelivery:
    """The plans of one queue."""

    def __init__(self, seed: int, queue: str) -> None:
        self._random = random.Random(f"{seed}/{queue}")  # noqa: S311 - repeatable on purpose, no secret

    def plan(self, batch: Sequence[_Item]) -> list[tuple[_Item, int]]:
        """Chains of deliveries in the order to start them: (message, how often in a row).

        Chains run concurrently; one message may have several. Each message has 1 to 5 deliveries in all.
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
