"""What a run will cost, from its plan, and what it did cost, from its receipts; figures for people, in US dollars.

The work of tasks is measured. What nodes cost beside it (boot, gaps, waiting to be released) is not in any receipt
and is estimated; attempts that ended without a receipt are not seen at all. Where the pool's VM size has no price (the
local pool), dollars are null and seconds remain.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.model import Pool, Work
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import pace_of_device
from orchestration.preflight import PoolCheck

NODES: Final = 4
"""Nodes of the estimate: the templates' default of Spot nodes. More nodes cost about the same in less time."""
OF_NO_POOL: Final = PoolCheck(checked_at="")


def expected(plan: Plan, manifest: Manifest, check: PoolCheck | None, prices: Prices) -> dict[str, Any]:
    """Return what the plan's batches will take and cost on Spot and on dedicated nodes, by the model.

    The pace is the table's for a GPU (see `frame_tools.costs.throughput`);
    of scorers that it says nothing of, all is None.
    """
    check = check or OF_NO_POOL
    if not SCORERS[plan.options.scorer].has_known_throughput:
        return {
            "wall_seconds": None,
            "node_seconds": None,
            "usd": {"spot": None, "dedicated": None},
            "vm_size": check.vm_size or None,
            "pace": f"how long the scorer {plan.options.scorer} takes stands in no table",
            "prices": prices.as_of,
        }
    pace = pace_of_device("gpu", width=manifest.width, height=manifest.height)
    frames = sum(end - start for start, end in map(plan.span, plan.scored))
    work = Work(frames=frames, seconds_per_frame=pace.seconds_per_frame, start_up_seconds=pace.start_up_seconds)
    usd: dict[str, float | None] = {}
    node_seconds = wall_seconds = 0.0
    for kind, spot in (("spot", True), ("dedicated", False)):
        hour_usd = prices.hour_usd(check.vm_size, spot=spot)
        pool = Pool(
            nodes=NODES * check.slots,
            hour_usd=(hour_usd or 0.0) / check.slots,
            evictions_per_hour=model.SPOT_EVICTIONS_PER_HOUR if spot else 0.0,
        )
        said = model.forecast(work, pool, batches=len(plan.scored), prices=prices)
        usd[kind] = None if hour_usd is None else round(said.sums.total_usd, 4)
        node_seconds, wall_seconds = said.node_seconds / check.slots, said.wall_seconds
    return {
        "wall_seconds": round(wall_seconds),
        "node_seconds": round(node_seconds),
        "usd": usd,
        "vm_size": check.vm_size or None,
        "pace": pace.source,
        "prices": prices.as_of,
    }


def spent(plan: Plan, receipts: Sequence[Receipt], check: PoolCheck | None, prices: Prices) -> dict[str, Any]:
    """Return what the batches that this run scored have taken and cost; those taken over from a parent are not its own.

    A task on a node that did not say what it is counts as dedicated.
    """
    check = check or OF_NO_POOL
    own = [receipt for receipt in receipts if receipt.batch in plan.scored]
    frames = sum(receipt.end - receipt.start for receipt in own)
    nodes = math.ceil(at_once(own) / check.slots)
    idle_seconds = nodes * (model.BOOT_SECONDS + model.RELEASE_SECONDS)
    on_spot = [receipt for receipt in own if receipt.dedicated is False]
    spot_seconds = sum(receipt.times.total for receipt in on_spot)
    task_seconds = sum(receipt.times.total for receipt in own)
    dedicated_usd, spot_usd = (prices.hour_usd(check.vm_size, spot=spot) for spot in (False, True))
    said: dict[str, Any] = {
        "task_seconds": round(task_seconds, 3),
        "task_seconds_on_spot": round(spot_seconds, 3),
        "nodes_at_once": nodes,
        "idle_node_seconds_estimated": round(idle_seconds),
        "usd": None,
        "vm_size": check.vm_size or None,
        "prices": prices.as_of,
    }
    if dedicated_usd is None or spot_usd is None:
        return said
    tasks = ((task_seconds - spot_seconds) * dedicated_usd + spot_seconds * spot_usd) / 3600 / check.slots
    idle = idle_seconds / 3600 * (spot_usd if 2 * len(on_spot) > len(own) else dedicated_usd)
    storage = model.storage_usd(frames=frames, batches=len(own), prices=prices)
    functions = model.functions_usd(frames=frames, batches=len(own), prices=prices)
    usd = {"tasks": tasks, "idle_estimated": idle, "storage": storage, "functions": functions}
    usd["total"] = sum(usd.values())
    return said | {"usd": {part: round(value, 4) for part, value in usd.items()}}


def at_once(receipts: Sequence[Receipt]) -> int:
    """Return how many tasks ran at the same time at most, by their ends and lengths."""
    changes: list[tuple[float, int]] = []
    for receipt in receipts:
        end = datetime.fromisoformat(receipt.finished_at).timestamp()
        changes += [(end - receipt.times.total, 1), (end, -1)]
    busy = most = 0
    for _, change in sorted(changes):
        busy += change
        most = max(most, busy)
    return most
