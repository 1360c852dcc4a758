"""What painting a clip takes, before there is a run: from its frames, its options, and the pool."""

import math
from dataclasses import dataclass, replace
from typing import Final

from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import ImpastoError
from frame_tools.contracts.options import Options
from frame_tools.contracts.scorers import SCORERS
from frame_tools.costs import model
from frame_tools.costs.grouping import run_workload, task_count
from frame_tools.costs.model import Pool, Workload
from frame_tools.costs.throughput import device_throughput, tuning_seconds
from orchestration.app import App
from orchestration.azure_batch.pool import PoolView
from orchestration.reporting.cost import ESTIMATED_NODES, LOCAL_VM_SIZE
from orchestration.throughput_history import measured_throughput

BLOBS_PER_FRAME: Final = 0
"""A clip is a video, which tasks decode."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The frames of a clip, and how they are to be painted, each run with one painting."""

    frames: int
    width: int
    height: int
    options: Options

    @property
    def batches(self) -> int:
        """Number of batches."""
        return math.ceil(self.frames / SCORERS[self.options.scorer].frames_per_batch)

    def work(self, app: App, device: str) -> Workload:
        """Return the work at the throughput that was measured on the pool, else at that of a kind of device."""
        throughput = measured_throughput(app, self.options, width=self.width, height=self.height) or device_throughput(
            device, width=self.width, height=self.height, options=self.options
        )
        return replace(
            run_workload(self.frames, throughput, self.options),
            blobs_per_frame=BLOBS_PER_FRAME,
            tuning_seconds=tuning_seconds(device, int(self.options.tune)),
        )

    def tasks(self, app: App, work: Workload) -> int:
        """Return the number of tasks of the run."""
        return task_count(work, self.options, batches=self.batches, at_once=app.settings.pool_tasks)


@dataclass(frozen=True, kw_only=True)
class ClipEstimate:
    """Seconds, once nodes have started, and US dollars; None without a price."""

    seconds: float
    usd: float | None


def read_pool(app: App) -> PoolView | None:
    """Return the pool; None if Batch does not return it, so that there is no price."""
    try:
        return app.batch.pool()
    except (AzureError, ImpastoError):
        return None


def is_local(app: App, pool: PoolView | None) -> bool:
    """Return whether tasks run on this machine."""
    return app.settings.batch_is_local or (pool is not None and pool.vm_size == LOCAL_VM_SIZE)


def estimate_clip(app: App, pool: PoolView | None, clip: Clip) -> ClipEstimate:
    """Return what a clip takes on this machine, or on Spot nodes of the pool."""
    return _locally(app, clip) if is_local(app, pool) else _in_azure(app, pool, clip)


def _locally(app: App, clip: Clip) -> ClipEstimate:
    work = clip.work(app, "cpu")
    seconds = clip.tasks(app, work) * work.overhead_seconds + clip.frames * work.seconds_per_frame
    seconds += work.tuning_seconds
    return ClipEstimate(seconds=seconds, usd=None)


def _in_azure(app: App, pool: PoolView | None, clip: Clip) -> ClipEstimate:
    prices, work = app.settings.price_table, clip.work(app, "gpu")
    slots = pool.slots if pool else 1
    hour_usd = prices.hour_usd(pool.vm_size, spot=True) if pool else None
    nodes = Pool(
        nodes=ESTIMATED_NODES * slots,
        hour_usd=(hour_usd or 0.0) / slots,
        evictions_per_hour=model.SPOT_EVICTIONS_PER_HOUR,
    )
    forecast = model.forecast(work, nodes, batches=clip.batches, tasks=clip.tasks(app, work), prices=prices)
    seconds = forecast.wall_seconds - nodes.order_seconds - nodes.boot_seconds
    return ClipEstimate(seconds=seconds, usd=None if hour_usd is None else forecast.cost.total_usd)
