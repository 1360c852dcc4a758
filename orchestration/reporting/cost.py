"""Cost of a run in US dollars: expected, from its plan, and actual, from its receipts.

Task time is measured. The remaining node time (boot, gaps, idle time before release) is in no receipt and is
estimated; attempts that ended without a receipt are not counted. If the pool's VM size has no price (the local pool),
costs are null and only seconds are reported.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.grouping import run_workload
from frame_tools.costs.model import Pool
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import Throughput, device_throughput, tuning_seconds
from orchestration.documents import parse_time
from orchestration.preflight import PoolCheck

ESTIMATED_NODES: Final = 4
"""Node count of the estimate: the templates' default of Spot nodes. More nodes cost about the same in less time."""
LOCAL_VM_SIZE: Final = "local"
"""VM size of the local Batch service's pool."""
UNKNOWN_POOL: Final = PoolCheck(checked_at="")


def expected_cost(
    plan: Plan, manifest: Manifest, check: PoolCheck | None, prices: Prices, *, measured: Throughput | None = None
) -> dict[str, Any]:
    """Return the expected time and cost of the plan's batches on Spot and on dedicated nodes.

    Without a `measured` throughput, it uses the table's figures for a GPU (`frame_tools.costs.throughput`). For a
    scorer that is not in the table, every figure is None.
    """
    check = check or UNKNOWN_POOL
    if not SCORERS[plan.options.scorer].has_known_throughput:
        return {
            "wall_seconds": None,
            "node_seconds": None,
            "usd": {"spot": None, "dedicated": None},
            "vm_size": check.vm_size or None,
            "pace": f"the throughput of the scorer {plan.options.scorer} is unknown",
            "prices": prices.as_of,
        }
    frames = sum(end - start for start, end in map(plan.span, plan.scored))
    if check.vm_size == LOCAL_VM_SIZE:
        return _expected_locally(plan, manifest, check, frames=frames, prices=prices, measured=measured)
    throughput = measured or _table_throughput("gpu", plan, manifest)
    work = replace(
        run_workload(frames, throughput, plan.options),
        blobs_per_frame=plan.blobs_per_frame,
        tuning_seconds=tuning_seconds("gpu", plan.tuned_paintings),
    )
    tasks = len(plan.tasks_of(plan.scored))
    usd: dict[str, float | None] = {}
    node_seconds = wall_seconds = 0.0
    for kind, spot in (("spot", True), ("dedicated", False)):
        hour_usd = prices.hour_usd(check.vm_size, spot=spot)
        pool = Pool(
            nodes=ESTIMATED_NODES * check.slots,
            hour_usd=(hour_usd or 0.0) / check.slots,
            evictions_per_hour=model.SPOT_EVICTIONS_PER_HOUR if spot else 0.0,
        )
        forecast = model.forecast(work, pool, batches=len(plan.scored), tasks=tasks, prices=prices)
        usd[kind] = None if hour_usd is None else round(forecast.cost.total_usd, 4)
        node_seconds, wall_seconds = forecast.node_seconds / check.slots, forecast.wall_seconds
    return {
        "wall_seconds": round(wall_seconds),
        "node_seconds": round(node_seconds),
        "usd": usd,
        "vm_size": check.vm_size or None,
        "pace": throughput.source,
        "prices": prices.as_of,
    }


def _table_throughput(device: str, plan: Plan, manifest: Manifest) -> Throughput:
    return device_throughput(device, width=manifest.width, height=manifest.height, options=plan.options)


def _expected_locally(
    plan: Plan, manifest: Manifest, check: PoolCheck, *, frames: int, prices: Prices, measured: Throughput | None
) -> dict[str, Any]:
    """Return the expected time in the local pool: its nodes are there already, and are free unless given a price."""
    throughput = measured or _table_throughput("cpu", plan, manifest)
    tasks = len(plan.tasks_of(plan.scored))
    work = run_workload(frames, throughput, plan.options)
    seconds = tasks * work.overhead_seconds + frames * throughput.seconds_per_frame
    node_seconds = seconds / check.slots + tuning_seconds("cpu", plan.tuned_paintings)
    usd: dict[str, float | None] = {}
    for kind, spot in (("spot", True), ("dedicated", False)):
        hour_usd = prices.hour_usd(check.vm_size, spot=spot)
        usd[kind] = None if hour_usd is None else round(node_seconds / 3600 * hour_usd, 4)
    return {
        "wall_seconds": round(node_seconds),
        "node_seconds": round(node_seconds),
        "usd": usd,
        "vm_size": check.vm_size,
        "pace": throughput.source,
        "prices": prices.as_of,
    }


def actual_cost(plan: Plan, receipts: Sequence[Receipt], check: PoolCheck | None, prices: Prices) -> dict[str, Any]:
    """Return the time and cost of the batches that this run scored, without those reused from a parent run.

    A task that does not know the kind of its node counts as dedicated.
    """
    check = check or UNKNOWN_POOL
    own = [receipt for receipt in receipts if receipt.batch in plan.scored]
    frames = sum(receipt.end - receipt.start for receipt in own)
    nodes = math.ceil(peak_concurrency(own) / check.slots)
    boot_and_release = 0.0 if check.vm_size == LOCAL_VM_SIZE else model.BOOT_SECONDS + model.RELEASE_SECONDS
    idle_seconds = nodes * boot_and_release
    on_spot = [receipt for receipt in own if receipt.dedicated is False]
    spot_seconds = sum(receipt.times.total for receipt in on_spot)
    task_seconds = sum(receipt.times.total for receipt in own)
    dedicated_usd, spot_usd = (prices.hour_usd(check.vm_size, spot=spot) for spot in (False, True))
    cost: dict[str, Any] = {
        "task_seconds": round(task_seconds, 3),
        "task_seconds_on_spot": round(spot_seconds, 3),
        "nodes_at_once": nodes,
        "idle_node_seconds_estimated": round(idle_seconds),
        "usd": None,
        "vm_size": check.vm_size or None,
        "prices": prices.as_of,
    }
    if dedicated_usd is None or spot_usd is None:
        return cost
    tasks = ((task_seconds - spot_seconds) * dedicated_usd + spot_seconds * spot_usd) / 3600 / check.slots
    idle = idle_seconds / 3600 * (spot_usd if 2 * len(on_spot) > len(own) else dedicated_usd)
    storage = model.storage_usd(frames=frames, batches=len(own), prices=prices, blobs_per_frame=plan.blobs_per_frame)
    functions = model.functions_usd(frames=frames, batches=len(own), prices=prices)
    usd = {"tasks": tasks, "idle_estimated": idle, "storage": storage, "functions": functions}
    usd["total"] = sum(usd.values())
    return cost | {"usd": {part: round(value, 4) for part, value in usd.items()}}


def peak_concurrency(receipts: Sequence[Receipt]) -> int:
    """Return the largest number of tasks that ran at the same time, from their end times and durations.

    A task writes its receipts one after the other, so the times of those of one task cannot overlap.
    """
    changes: list[tuple[float, int]] = []
    ends: dict[str, float] = {}
    for receipt in sorted(receipts, key=lambda each: each.finished_at):
        if finished_at := parse_time(receipt.finished_at):
            end = finished_at.timestamp()
            start = max(end - receipt.times.total, ends.get(receipt.task_id, 0.0))
            ends[receipt.task_id] = end
            changes += [(start, 1), (end, -1)]
    running = peak = 0
    for _, change in sorted(changes):
        running += change
        peak = max(peak, running)
    return peak
