"""The loads on which tests and chart evaluate the formula: name, events, and pool parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.tools.autoscale.pool import Load, Simulation, simulate
from local_cloud.batch_service.autoscale.formula import fill

FORMULA: Final = Path(__file__).parents[2] / "bicep" / "modules" / "autoscale.txt"


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The numbers that replace the formula's __NAMES__; the defaults are those of main.bicep."""

    max_spot: int = 4
    max_dedicated: int = 2
    min_nodes: int = 0
    warm_minutes: int = 15

    def formula(self) -> str:
        """Return the formula with its numbers, as batch.bicep fills it."""
        values = {
            "MAX_SPOT": self.max_spot,
            "MAX_DEDICATED": self.max_dedicated,
            "MIN_NODES": self.min_nodes,
            "WARM_NODES": int(self.warm_minutes > 0),
            "WARM_MINUTES": max(self.warm_minutes, 5),
        }
        return fill(FORMULA.read_text(encoding="utf-8"), values)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A load with its title and description."""

    title: str
    description: str
    load: Load
    numbers: Parameters = Parameters()

    def simulate(self) -> Simulation:
        """Simulate the load with the formula."""
        return simulate(self.numbers.formula(), self.load)


def _every(first_minute: int, gap_minutes: int, times: int, tasks: int) -> dict[int, int]:
    return {60 * (first_minute + gap_minutes * i): tasks for i in range(times)}


TRACES: Final[Mapping[str, Trace]] = {
    "cold": Trace(
        title="One run from cold",
        description="12 batches at minute 2; the pool is empty",
        load=Load(arrivals={120: 12}, minutes=75),
    ),
    "burst": Trace(
        title="Ten runs in a burst",
        description="6 batches each, one run a minute from minute 2",
        load=Load(arrivals=_every(2, 1, 10, 6), minutes=120),
    ),
    "trickle": Trace(
        title="Spaced runs, warm node",
        description="3 batches every 14 minutes, five times; one node stays for 15 minutes",
        load=Load(arrivals=_every(2, 14, 5, 3), minutes=120),
    ),
    "cooling": Trace(
        title="Spaced runs, no warm node",
        description="warm_minutes = 0",
        load=Load(arrivals=_every(2, 14, 5, 3), minutes=120),
        numbers=Parameters(warm_minutes=0),
    ),
    "evictions": Trace(
        title="Spot eviction",
        description="24 batches; two nodes are evicted at minute 16, Spot capacity returns at minute 45",
        load=Load(arrivals={120: 24}, minutes=90, task_s=360, evictions=(960, 970), no_spot=((960, 2700),)),
    ),
    "no-spot": Trace(
        title="No Spot capacity",
        description="6 batches; after ten minutes of waiting, dedicated nodes are used instead",
        load=Load(arrivals={120: 6}, minutes=90, no_spot=((0, 5400),)),
    ),
    "gaps": Trace(
        title="Late and lost samples",
        description="8 batches at minute 2; samples arrive two minutes late, those of minutes 4 to 16 are lost",
        load=Load(arrivals={120: 8}, minutes=90, lag_s=120, no_samples=((240, 960),)),
    ),
}
