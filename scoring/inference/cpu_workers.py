"""Several frames side by side on a CPU, each on one core: no core waits for another within a frame.

Beside other work this keeps the cores busy (two threads that share one frame both stop when either is held up), and
results do not depend on the number of cores, which the order of a shared sum would.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")


class CpuWorkers:
    """`size` threads, each of which computes on one core without gradients."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size, "lane", initializer=torch.set_num_threads, initargs=(1,))

    def map(self, call: Callable[[A], B], arguments: Iterable[A]) -> list[B]:
        """Call for each argument and give the results in order; the first error is raised."""
        return list(self._pool.map(torch.inference_mode()(call), arguments))
