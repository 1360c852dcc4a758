"""How long a clip would take and what it would cost, before anything is uploaded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import ImpastoError, InputError
from frame_tools.contracts.options import STROKE_SIZES, Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.model import Pool, Workload
from frame_tools.costs.throughput import Throughput, device_throughput
from orchestration.app import App
from orchestration.azure_batch.pool import PoolView
from orchestration.reporting.cost import ESTIMATED_NODES, LOCAL_VM_SIZE
from orchestration.web.text import duration_text, frames_text, usd_text

SCORER: Final = "any"
MAX_SIDE: Final = 8192


@dataclass(frozen=True, kw_only=True)
class _Clip:
    """The frames of a clip, and how they are to be painted."""

    frames: int
    width: int
    height: int
    options: Options

    @property
    def batches(self) -> int:
        """Number of batches."""
        return math.ceil(self.frames / SCORERS[SCORER].frames_per_batch)

    def throughput(self, device: str) -> Throughput:
        """Return the throughput of a kind of device."""
        return device_throughput(device, width=self.width, height=self.height, options=self.options)


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
    clip = _Clip(frames=frames, width=width, height=height, options=_options(query))
    seconds, usd = _locally(clip) if is_local else _in_azure(app, pool, clip)
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


def _options(query: Mapping[str, Sequence[str]]) -> Options:
    """Return the options that change how long a frame takes; raises InputError for unknown strokes."""
    strokes = query.get("strokes", [""])[0]
    if strokes and strokes not in STROKE_SIZES:
        raise InputError(f"strokes is one of {', '.join(STROKE_SIZES)}, not {strokes[:20]!r}", "Choose other strokes.")
    return Options.model_validate({"scorer": SCORER, "strokes": strokes or None}).with_default_strokes


def _locally(clip: _Clip) -> tuple[float, float | None]:
    throughput = clip.throughput("cpu")
    return clip.batches * throughput.start_up_seconds + clip.frames * throughput.seconds_per_frame, None


def _in_azure(app: App, pool: PoolView | None, clip: _Clip) -> tuple[float, float | None]:
    """Return the seconds on nodes that have started, and the cost on Spot nodes; None without a price."""
    prices, throughput = app.settings.price_table, clip.throughput("gpu")
    slots = pool.slots if pool else 1
    hour_usd = prices.hour_usd(pool.vm_size, spot=True) if pool else None
    work = Workload(
        frames=clip.frames,
        seconds_per_frame=throughput.seconds_per_frame,
        start_up_seconds=throughput.start_up_seconds,
    )
    nodes = Pool(
        nodes=ESTIMATED_NODES * slots,
        hour_usd=(hour_usd or 0.0) / slots,
        evictions_per_hour=model.SPOT_EVICTIONS_PER_HOUR,
    )
    forecast = model.forecast(work, nodes, batches=clip.batches, prices=prices)
    seconds = forecast.wall_seconds - nodes.order_seconds - nodes.boot_seconds
    return seconds, None if hour_usd is None else forecast.cost.total_usd
