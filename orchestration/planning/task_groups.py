"""Which neighboring batches of a new run share a task."""

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.costs.grouping import can_share_a_task, run_workload, task_borders
from frame_tools.costs.throughput import device_throughput
from orchestration.settings import Settings


def plan_tasks(manifest: Manifest, options: Options, *, batches: int, settings: Settings) -> tuple[int, ...]:
    """Return the plan's task borders; empty if each batch gets a task of its own."""
    if not can_share_a_task(options):
        return ()
    device = "cpu" if settings.batch_is_local else "gpu"
    throughput = device_throughput(device, width=manifest.width, height=manifest.height, options=options)
    work = run_workload(manifest.frame_count, throughput, options)
    borders = task_borders(work, batches=batches, at_once=settings.pool_tasks)
    return borders if len(borders) - 1 < batches else ()
