"""Which neighboring batches of a new run share a task."""

from itertools import pairwise
from typing import Final

from pydantic import TypeAdapter, ValidationError

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.paths import RunPaths
from frame_tools.costs.grouping import can_share_a_task, run_workload, task_borders
from frame_tools.costs.throughput import device_throughput
from orchestration.app import App
from orchestration.throughput_history import device_of, measured_throughput

MAX_BYTES: Final = 2**17
"""Of stored borders: ten thousand take half of it."""
_BORDERS: Final = TypeAdapter(tuple[int, ...])


def plan_tasks(app: App, run_id: str, manifest: Manifest, options: Options, *, batches: int) -> tuple[int, ...]:
    """Return the plan's task borders, from the throughput of earlier runs; empty if each batch gets its own task.

    A run that is planned again gets the borders of its first plan, because its receipts name that plan's hash, and the
    throughput of earlier runs changes with each run that ends.
    """
    if batches == 1 or not can_share_a_task(options):
        return ()
    borders = _stored_once(app, run_id, _suitable_borders(app, manifest, options, batches=batches))
    return borders if len(borders) - 1 < batches else ()


def _suitable_borders(app: App, manifest: Manifest, options: Options, *, batches: int) -> tuple[int, ...]:
    width, height = manifest.width, manifest.height
    throughput = measured_throughput(app, options, width=width, height=height) or device_throughput(
        device_of(app), width=width, height=height, options=options
    )
    work = run_workload(manifest.frame_count, throughput, options)
    return task_borders(work, batches=batches, at_once=app.settings.pool_tasks)


def _stored_once(app: App, run_id: str, borders: tuple[int, ...]) -> tuple[int, ...]:
    """Store the run's borders unless there are some for as many batches; return those that are stored."""
    name, data = RunPaths(run_id).task_borders, _BORDERS.dump_json(borders)
    if app.storage.runs.create(name, data):
        return borders
    stored = app.storage.runs.read(name, limit=MAX_BYTES)
    earlier = _load(stored.data) if stored is not None else ()
    if earlier[-1:] == borders[-1:]:
        return earlier
    app.storage.runs.write(name, data)
    return borders


def _load(data: bytes) -> tuple[int, ...]:
    """Return stored borders; none if they are damaged."""
    try:
        borders = _BORDERS.validate_json(data, strict=True) if len(data) <= MAX_BYTES else ()
    except ValidationError:
        return ()
    is_usable = borders[:1] == (0,) and all(first < second for first, second in pairwise(borders))
    return borders if is_usable else ()
