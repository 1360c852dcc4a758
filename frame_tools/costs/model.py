"""A model of what a run takes and costs, and which batch size is best for it. Pure; units stand in the names.

A run of `frames` is cut into even batches, one task each. A task takes start-up + frames · seconds per frame. Nodes are
ordered after `order_seconds`, take `boot_seconds`, work in rounds, and leave `release_seconds` after the last round;
they are billed from order to leaving.

Pre-emption: evictions of a node are a Poisson process of rate r an hour, and an evicted task starts from nothing. The
working time until a task of T hours has once run through is then (exp(r·T) − 1) / r in the mean, and each of the
exp(r·T) − 1 evictions costs a wait for a node (Ross, Introduction to Probability Models, on restarts). That is the
reference architecture's trade-off: large batches save start-ups, small ones lose less. Not modelled: that the slowest
of many nodes is slower than the mean, and queueing behind other runs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frame_tools.costs.prices import Prices

ORDER_SECONDS: Final = 150.0
"""From queued work to the pool's next look at it, in the mean: half of the five minutes between two evaluations."""
BOOT_SECONDS: Final = 360.0
"""Virtual machine, start task, image: four to eight minutes, as users of Batch report (docs/autoscale.md)."""
RELEASE_SECONDS: Final = 300.0
"""From the last task to the node's end: the next evaluation of the formula. Minutes of warmth come on top."""
SPOT_EVICTIONS_PER_HOUR: Final = 0.05
"""An assumption; Azure shows 0 to 20 percent an hour, by size and region."""
MAX_BATCHES: Final = 10_000
MAX_FRAMES_PER_BATCH: Final = 2_000
"""What a trigger file may ask for; a task of more would lose hours to one eviction."""
NEAR_BEST: Final = 1.01
FRAME_WRITES, FRAME_READS = 2, 2
"""A frame is written twice (input, styled) and read twice (by the task, by a person or not at all)."""
BATCH_WRITES, BATCH_READS = 12, 20
"""Of one batch: segment, log, receipt, stdout, stderr, append, messages; plan, manifest, style, marks, joining."""
BATCH_CALLS: Final = 2
"""Functions called for one batch: `submit_batch` and `finish_batch`, at the least billed second each."""
JOIN_SECONDS_PER_FRAME: Final = 0.001
"""With storage; joining alone takes a twentieth of it (benchmarks.joining)."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be painted."""

    frames: int
    seconds_per_frame: float
    """Of a whole task after its start: read, decode, score, encode, write."""
    start_up_seconds: float
    """Of each task: process, libraries, weights, style."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Who paints. A node does one task at a time."""

    nodes: int
    hour_usd: float
    """Of one node."""
    evictions_per_hour: float = 0.0
    """Of one node; 0 for dedicated ones."""
    order_seconds: float = ORDER_SECONDS
    boot_seconds: float = BOOT_SECONDS
    release_seconds: float = RELEASE_SECONDS


@dataclass(frozen=True, kw_only=True)
class CostBreakdown:
    """US dollars by what they are paid for."""

    nodes_usd: float
    storage_usd: float
    functions_usd: float

    @property
    def total_usd(self) -> float:
        """All of it."""
        return self.nodes_usd + self.storage_usd + self.functions_usd


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the model says of one number of batches."""

    batches: int
    frames_per_batch: int
    """Of the largest batch."""
    task_seconds: float
    """Mean working time of the largest batch's task, evictions included."""
    wall_seconds: float
    """From the plan to the last receipt."""
    node_seconds: float
    """Billed, over all nodes: boot, work, gaps in the last round, release."""
    lost_seconds: float
    """Of all tasks together: work that evictions throw away."""
    sums: CostBreakdown

    def weighted_cost_usd(self, hour_worth_usd: float) -> float:
        """Return the cost with each hour of waiting priced at what it is worth to somebody."""
        return self.sums.total_usd + hour_worth_usd * self.wall_seconds / 3600


def forecast(work: Work, pool: Pool, *, batches: int, prices: Prices) -> Forecast:
    """Return what the run takes and costs in `batches` batches. All counts must be over 0."""
    largest = math.ceil(work.frames / batches)
    clean = work.start_up_seconds + largest * work.seconds_per_frame
    worked, waits = _with_evictions(clean, pool.evictions_per_hour)
    used = min(pool.nodes, batches)
    rounds = math.ceil(batches / used)
    allocated = pool.boot_seconds + rounds * (worked + waits * pool.boot_seconds)
    node_seconds = used * (allocated + pool.release_seconds)
    mean_clean = work.start_up_seconds + work.frames / batches * work.seconds_per_frame
    mean_worked, _ = _with_evictions(mean_clean, pool.evictions_per_hour)
    return Forecast(
        batches=batches,
        frames_per_batch=largest,
        task_seconds=worked,
        wall_seconds=pool.order_seconds + allocated,
        node_seconds=node_seconds,
        lost_seconds=batches * (mean_worked - mean_clean),
        sums=CostBreakdown(
            nodes_usd=node_seconds / 3600 * pool.hour_usd,
            storage_usd=storage_usd(frames=work.frames, batches=batches, prices=prices),
            functions_usd=functions_usd(frames=work.frames, batches=batches, prices=prices),
        ),
    )


def _with_evictions(seconds: float, evictions_per_hour: float) -> tuple[float, float]:
    """Return the mean working seconds until `seconds` have once run through, and the mean number of evictions.

    A task that would be evicted almost surely is capped, so that absurd sizes compare as very bad, not as overflow.
    """
    rate = evictions_per_hour / 3600
    evictions = math.expm1(min(rate * seconds, 50.0))
    return (evictions / rate, evictions) if rate and evictions else (seconds, 0.0)


def storage_usd(*, frames: int, batches: int, prices: Prices) -> float:
    """Return what the run's blob operations cost; keeping the bytes is not counted."""
    writes = FRAME_WRITES * frames + BATCH_WRITES * batches
    reads = FRAME_READS * frames + BATCH_READS * batches
    return (writes * prices.blob_writes_10_000_usd + reads * prices.blob_reads_10_000_usd) / 10_000


def functions_usd(*, frames: int, batches: int, prices: Prices) -> float:
    """Return what the run's function calls cost: two short ones for each batch, two for the run, one that joins."""
    calls = BATCH_CALLS * batches + 3
    gb_seconds = (calls + JOIN_SECONDS_PER_FRAME * frames) * prices.function_memory_gb
    return gb_seconds * prices.function_gb_second_usd + calls * prices.function_million_calls_usd / 1e6


def curve(work: Work, pool: Pool, *, prices: Prices) -> Iterator[Forecast]:
    """Yield a forecast for every number of batches that makes a difference, from the fewest to one frame each."""
    seen = 0
    fewest = math.ceil(work.frames / MAX_FRAMES_PER_BATCH)
    for batches in range(fewest, max(fewest, min(work.frames, MAX_BATCHES)) + 1):
        largest = math.ceil(work.frames / batches)
        # More batches of the same largest size only add start-ups; a multiple of the nodes may still fill a round.
        if largest != seen or batches % pool.nodes == 0:
            seen = largest
            yield forecast(work, pool, batches=batches, prices=prices)


def best(work: Work, pool: Pool, *, prices: Prices, hour_worth_usd: float) -> Forecast:
    """Return the smallest batches among the forecasts within 1 % of the least burden.

    Near its least the curve is flat; of equals, the smallest batch loses least when a task fails.
    """
    every = list(curve(work, pool, prices=prices))
    limit = NEAR_BEST * min(one.weighted_cost_usd(hour_worth_usd) for one in every)
    return max((one for one in every if one.weighted_cost_usd(hour_worth_usd) <= limit), key=lambda one: one.batches)
