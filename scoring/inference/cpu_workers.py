"""Run a network on several frames at once on a CPU, each on one core, so that no core waits for another within a frame.

Beside other work this keeps the cores busy: two threads that share one frame both stop when either is delayed. Results
do not depend on the number of cores, as they would through the order of a shared sum.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")


class CpuWorkers:
    """`size` threads, each of which computes on one core without gradients."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size, "cpu-worker", initializer=torch.set_num_threads, initargs=(1,))

    def map(self, call: Callable[[A], B], arguments: Iterable[A]) -> list[B]:
        """Call `call` for each argument and return the results in order; the first error is raised."""

        def without_gradients(argument: A) -> B:
            with torch.inference_mode():
                return call(argument)

        return list(self._pool.map(without_gradients, arguments))


def map_together(call: Callable[[A], B], arguments: Sequence[A], *, give_up: Callable[[], None]) -> list[B]:
    """Call `call` for all arguments at the same time, on a thread each, for calls that wait for each other.

    Returns the results in order. After an error, `give_up` must make the calls fail that wait for the one that raised
    it; the first error is raised.
    """
    failed: list[BaseException] = []

    def guarded(argument: A) -> B:
        try:
            with torch.inference_mode():
                return call(argument)
        except BaseException as error:
            failed.append(error)
            give_up()
            raise

    with ThreadPoolExecutor(len(arguments), "together", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            futures = [pool.submit(guarded, argument) for argument in arguments]
        except BaseException:  # not all can be called, as when the system allows no more threads
            give_up()
            raise
    if failed:
        raise failed[0]
    return [future.result() for future in futures]
