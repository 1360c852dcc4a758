"""What one call costs: requests, CPU and memory of this process, and its time near the storage."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.scale.counting import ROUND_TRIP, Requests, counting
from benchmarks.scale.world import CountedWorld
from frame_tools.storage.blobs.container import READERS
from frame_tools.storage.queues import MAX_SENDERS
from frame_tools.storage.read_ahead import POOL

POOLS: Final[Mapping[str, int]] = {"queue": MAX_SENDERS, POOL: READERS}
"""Thread pools that make requests, by the prefix of their threads' names, and their numbers of threads."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a call cost."""

    requests: Requests
    batch_calls: int
    cpu_seconds: float
    """Of this process, without the service in memory."""
    peak_bytes: int
    """By how much the process grew, with the answers of the service."""

    @property
    def seconds(self) -> float:
        """The time of the call at 10 ms a request: requests and Batch calls that follow each other, and CPU."""
        return (self.requests.serial(POOLS) + self.batch_calls) * ROUND_TRIP + self.cpu_seconds


def measure(world: CountedWorld, call: Callable[[], object]) -> Figures:
    """Make a call and return what it cost; the peak of the memory is Linux's."""
    world.batch_calls.clear()
    before = _peak_bytes(reset=True)
    with counting(world.service) as requests:
        began = time.process_time()
        call()
        seconds = time.process_time() - began
    return Figures(
        requests=requests,
        batch_calls=len(world.batch_calls),
        cpu_seconds=seconds - requests.service_seconds,
        peak_bytes=max(0, _peak_bytes() - before),
    )


def _peak_bytes(*, reset: bool = False) -> int:
    """Return the most memory that this process has had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
