"""Which neighboring batches of a new run share a task."""

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.costs.grouping import can_share_a_task, run_workload, task_borders
from frame_tools.costs.throughput import device_throughput
from orchestration.app import App
from orchestration.throughput_history import device_of, measured_throughput


def plan_tasks(app: App, manifest: Manifest, options: Options, *, batches: int) -> tuple[int, ...]:
    """Return the plan's task borders, from the throughput of earlier runs; empty if each batch gets its own task."""
    if batches == 1 or not can_share_a_task(options):
        return ()
    width, height = manifest.width, manifest.height
    throughput = measured_throughput(app, options, width=width, height=height) or device_throughput(
        device_of(app), width=width, height=height, options=options
    )
    work = run_workload(manifest.frame_count, throughput, options)
    borders = task_borders(work, batches=batches, at_once=app.settings.pool_tasks)
    return borders if len(borders) - 1 < batches else ()
