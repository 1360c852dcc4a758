"""Model of a run's duration and cost, and of its best batch size. Pure functions; names carry the units.

A run of `frames` is divided into even batches, and these among even tasks. A task takes its start-up + (warm-up frames
+ frames) · seconds per frame. Nodes are ordered after `order_seconds`, boot for `boot_seconds`, work in rounds, and are
released `release_seconds` after the last round; they are billed from order to release.

Preemption: evictions of a node are a Poisson process with rate r per hour, and an evicted task starts again with the
batch that it was at. The mean working time until a piece of T hours completes is then (exp(r·T) − 1) / r, and each of
the exp(r·T) − 1 expected evictions adds a wait for a node (Ross, Introduction to Probability Models, on restarts). This
is the reference architecture's trade-off: large batches save start-ups, small batches lose less work. Tasks of several
batches have both advantages. Not modeled: the slowest of many nodes is slower than the mean, and queuing behind other
runs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frame_tools.costs.prices import Prices

ORDER_SECONDS: Final = 150.0
"""Mean time from queued work to the pool's next evaluation: half of the five minutes between two evaluations."""
BOOT_SECONDS: Final = 360.0
"""Virtual machine, start task and image: users of Batch report four to eight minutes (docs/autoscale.md)."""
RELEASE_SECONDS: Final = 300.0
"""From the last task to the release of the node, at the next evaluation. The setting for warm minutes adds to it."""
SPOT_EVICTIONS_PER_HOUR: Final = 0.05
"""An assumption; Azure shows 0 to 20 percent per hour, by size and region."""
MAX_BATCHES: Final = 10_000
MAX_FRAMES_PER_BATCH: Final = 2_000
"""The maximum in a trigger file; a longer task could lose hours to one eviction."""
BEST_TOLERANCE: Final = 1.01
"""Forecasts up to this factor above the minimum cost count as equally good."""
FRAME_WRITES, FRAME_READS = 2, 2
"""A frame is written twice (input, painted) and read up to twice (by the task, by a user), where both are stored."""
BATCH_WRITES, BATCH_READS = 12, 20
"""Per batch: writes of segment, log, receipt, stdout, stderr, append, messages; reads of plan, manifest, style, marks,
and by the join."""
BATCH_CALLS: Final = 2
"""Function calls per batch, at most: `submit_batch`, whose message can name many batches, and `finish_batch`. Each is
billed for the minimum of one second."""
JOIN_SECONDS_PER_FRAME: Final = 0.001
"""Including storage access; the join itself takes a twentieth of it (benchmarks.joining)."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The frames to score, and how long they take."""

    frames: int
    seconds_per_frame: float
    """Over a whole task after its start-up: read, decode, score, encode, write."""
    start_up_seconds: float
    """Per task: process, libraries, weights, style."""
    warm_up_frames: int = 0
    """Per task: frames that are scored for temporal smoothing and not delivered."""
    tuning_seconds: float = 0.0
    """Once, before the first frame: one node tunes the style, the others wait."""
    blobs_per_frame: int = 2
    """2 if frames are stored before and after painting, 1 if either is, 0 if tasks decode the video."""
    is_measured: bool = False
    """Whether seconds per frame and of start-up were measured; else they are the table's."""

    @property
    def overhead_seconds(self) -> float:
        """What a task spends on no frame that it delivers."""
        return self.start_up_seconds + self.warm_up_frames * self.seconds_per_frame


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The nodes that score. A node runs one task at a time."""

    nodes: int
    hour_usd: float
    """Per node."""
    evictions_per_hour: float = 0.0
    """Per node; 0 for dedicated nodes."""
    order_seconds: float = ORDER_SECONDS
    boot_seconds: float = BOOT_SECONDS
    release_seconds: float = RELEASE_SECONDS


@dataclass(frozen=True, kw_only=True)
class CostBreakdown:
    """US dollars by category."""

    nodes_usd: float
    storage_usd: float
    functions_usd: float

    @property
    def total_usd(self) -> float:
        """Sum of all categories."""
        return self.nodes_usd + self.storage_usd + self.functions_usd


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The model's result for one number of batches."""

    batches: int
    tasks: int
    frames_per_batch: int
    """Frames of the largest batch."""
    task_seconds: float
    """Mean working time of the largest task, including evictions."""
    wall_seconds: float
    """From the plan to the last receipt."""
    node_seconds: float
    """Billed time of all nodes: boot, work, gaps in the last round, release."""
    lost_seconds: float
    """Work of all tasks that is lost to evictions."""
    cost: CostBreakdown

    def weighted_cost_usd(self, hour_worth_usd: float) -> float:
        """Return the cost plus the waiting time, priced at `hour_worth_usd` per hour."""
        return self.cost.total_usd + hour_worth_usd * self.wall_seconds / 3600


def forecast(work: Workload, pool: Pool, *, batches: int, prices: Prices, tasks: int | None = None) -> Forecast:
    """Return duration and cost of a run in `batches` batches, and as many tasks unless `tasks` are given.

    All counts must be positive.
    """
    tasks = batches if tasks is None else tasks
    per_task = math.ceil(batches / tasks)
    largest = math.ceil(work.frames / batches)
    worked, waits = _task_with_evictions(work, pool, batches=per_task, frames=largest)
    used = min(pool.nodes, tasks)
    rounds = math.ceil(tasks / used)
    allocated = pool.boot_seconds + work.tuning_seconds + rounds * (worked + waits * pool.boot_seconds)
    node_seconds = used * (allocated + pool.release_seconds)
    mean_frames = work.frames / batches
    mean_undisturbed = work.overhead_seconds + batches / tasks * mean_frames * work.seconds_per_frame
    mean_worked, _ = _task_with_evictions(work, pool, batches=batches / tasks, frames=mean_frames)
    return Forecast(
        batches=batches,
        tasks=tasks,
        frames_per_batch=largest,
        task_seconds=worked,
        wall_seconds=pool.order_seconds + allocated,
        node_seconds=node_seconds,
        lost_seconds=tasks * (mean_worked - mean_undisturbed),
        cost=CostBreakdown(
            nodes_usd=node_seconds / 3600 * pool.hour_usd,
            storage_usd=storage_usd(
                frames=work.frames, batches=batches, prices=prices, blobs_per_frame=work.blobs_per_frame
            ),
            functions_usd=functions_usd(frames=work.frames, batches=batches, prices=prices),
        ),
    )


def _task_with_evictions(work: Workload, pool: Pool, *, batches: float, frames: float) -> tuple[float, float]:
    """Return the mean working seconds and evictions of a task of `batches` batches of `frames` frames each.

    After an eviction the task pays its start-up again, and continues with the batch that it was at.
    """
    batch_seconds = frames * work.seconds_per_frame
    rate = pool.evictions_per_hour / 3600
    first, first_evictions = _with_evictions(work.overhead_seconds + batch_seconds, pool.evictions_per_hour)
    evicted = -math.expm1(-rate * batch_seconds)
    later = evicted / rate + evicted * first if rate and evicted else batch_seconds
    return first + (batches - 1) * later, first_evictions + (batches - 1) * evicted * (1 + first_evictions)


def _with_evictions(seconds: float, evictions_per_hour: float) -> tuple[float, float]:
    """Return the mean working seconds until a task of `seconds` completes, and the mean number of evictions.

    The exponent is capped, so that absurd sizes compare as very bad and do not overflow.
    """
    rate = evictions_per_hour / 3600
    evictions = math.expm1(min(rate * seconds, 50.0))
    return (evictions / rate, evictions) if rate and evictions else (seconds, 0.0)


def storage_usd(*, frames: int, batches: int, prices: Prices, blobs_per_frame: int = 2) -> float:
    """Return the cost of the run's blob operations, without storing the bytes."""
    stored = frames * blobs_per_frame / 2
    writes = FRAME_WRITES * stored + BATCH_WRITES * batches
    reads = FRAME_READS * stored + BATCH_READS * batches
    return (writes * prices.blob_writes_10_000_usd + reads * prices.blob_reads_10_000_usd) / 10_000


def functions_usd(*, frames: int, batches: int, prices: Prices) -> float:
    """Return the cost of the run's function calls: two short ones per batch, two for the run, one for the join."""
    calls = BATCH_CALLS * batches + 3
    gb_seconds = (calls + JOIN_SECONDS_PER_FRAME * frames) * prices.function_memory_gb
    return gb_seconds * prices.function_gb_second_usd + calls * prices.function_million_calls_usd / 1e6


def curve(work: Workload, pool: Pool, *, prices: Prices) -> Iterator[Forecast]:
    """Yield a forecast for every relevant number of batches, from the fewest to one frame per batch."""
    previous = 0
    fewest = math.ceil(work.frames / MAX_FRAMES_PER_BATCH)
    for batches in range(fewest, max(fewest, min(work.frames, MAX_BATCHES)) + 1):
        largest = math.ceil(work.frames / batches)
        # More batches of the same largest size only add start-ups, unless their number is a multiple of the nodes and
        # fills a round.
        if largest != previous or batches % pool.nodes == 0:
            previous = largest
            yield forecast(work, pool, batches=batches, prices=prices)


def best(work: Workload, pool: Pool, *, prices: Prices, hour_worth_usd: float) -> Forecast:
    """Return the forecast with the smallest batches within 1 % of the minimum weighted cost.

    The curve is flat near its minimum; among equals, the smallest batch loses least when a task fails.
    """
    forecasts = list(curve(work, pool, prices=prices))
    limit = BEST_TOLERANCE * min(item.weighted_cost_usd(hour_worth_usd) for item in forecasts)
    affordable = (item for item in forecasts if item.weighted_cost_usd(hour_worth_usd) <= limit)
    return max(affordable, key=lambda item: item.batches)
