"""How long a clip would take and what it would cost, before anything is uploaded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import ImpastoError, InputError
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.model import Pool, Workload
from frame_tools.costs.throughput import device_throughput
from orchestration.app import App
from orchestration.azure_batch.pool import PoolView
from orchestration.reporting.cost import ESTIMATED_NODES, LOCAL_VM_SIZE
from orchestration.web.text import duration_text, frames_text, usd_text

SCORER: Final = "any"
MAX_SIDE: Final = 8192


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the bar above the button says."""

    frames: str
    time: str
    cost: str
    hint: str
    button: str


def estimate(app: App, query: Mapping[str, Sequence[str]]) -> Estimate:
    """Return the estimate for a clip and a number of paintings; raises InputError for values that are no numbers."""
    frames, width = _number(query, "frames", app.settings.max_frames), _number(query, "width", MAX_SIDE)
    height, paintings = _number(query, "height", MAX_SIDE), _number(query, "paintings", 100)
    about = "about " if query.get("exact", ["1"])[0] == "0" else ""
    pool = _read_pool(app)
    is_local = app.settings.batch_is_local or (pool is not None and pool.vm_size == LOCAL_VM_SIZE)
    seconds, usd = _locally(frames, width, height) if is_local else _in_azure(app, pool, frames, width, height)
    total = frames_text(paintings * frames)
    return Estimate(
        frames=about + (total if paintings == 1 else f"{paintings} runs, {total}"),
        time=f"about {duration_text(paintings * seconds if is_local else seconds)}",
        cost="on this computer" if is_local else "" if usd is None else usd_text(paintings * usd),
        hint="" if is_local else "plus 5–10 min if a GPU has to start",
        button=f"Paint {about}{total}",
    )


def _number(query: Mapping[str, Sequence[str]], name: str, maximum: int) -> int:
    text = query.get(name, [""])[0]
    if not text.isdecimal() or not 1 <= int(text) <= maximum:
        raise InputError(f"{name} is a number from 1 to {maximum}, not {text[:20]!r}", "Choose another clip.")
    return int(text)


def _read_pool(app: App) -> PoolView | None:
    """Return the pool; None if Batch does not return it, so that there is no price."""
    try:
        return app.batch.pool()
    except (AzureError, ImpastoError):
        return None


def _locally(frames: int, width: int, height: int) -> tuple[float, float | None]:
    throughput = device_throughput("cpu", width=width, height=height)
    batches = math.ceil(frames / SCORERS[SCORER].frames_per_batch)
    return batches * throughput.start_up_seconds + frames * throughput.seconds_per_frame, None


def _in_azure(app: App, pool: PoolView | None, frames: int, width: int, height: int) -> tuple[float, float | None]:
    """Return the seconds on nodes that have started, and the cost on Spot nodes; None without a price."""
    prices, throughput = app.settings.price_table, device_throughput("gpu", width=width, height=height)
    slots = pool.slots if pool else 1
    hour_usd = prices.hour_usd(pool.vm_size, spot=True) if pool else None
    work = Workload(
        frames=frames, seconds_per_frame=throughput.seconds_per_frame, start_up_seconds=throughput.start_up_seconds
    )
    nodes = Pool(
        nodes=ESTIMATED_NODES * slots,
        hour_usd=(hour_usd or 0.0) / slots,
        evictions_per_hour=model.SPOT_EVICTIONS_PER_HOUR,
    )
    batches = math.ceil(frames / SCORERS[SCORER].frames_per_batch)
    forecast = model.forecast(work, nodes, batches=batches, prices=prices)
    seconds = forecast.wall_seconds - nodes.order_seconds - nodes.boot_seconds
    return seconds, None if hour_usd is None else forecast.cost.total_usd
