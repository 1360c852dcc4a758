"""Simulate what many runs at a time ask of each part of a deployment, and say what saturates first. A model.

    .venv/bin/python -m benchmarks.model [--runs 1000] [--frames 18000] [--nodes 1000] [--fps 10] [--cells 1]

Demands follow from counts that `tests/scale` asserts and from sizes that were measured; limits are the defaults on
Microsoft's pages, which the output names. Runs are shared evenly among cells: see docs/scale.md.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from benchmarks.task_share import share_table

LEARN: Final = "https://learn.microsoft.com/azure"
STORAGE_PAGE: Final = f"{LEARN}/storage/common/scalability-targets-standard-account"
BLOB_PAGE: Final = f"{LEARN}/storage/blobs/scalability-targets"
QUEUE_PAGE: Final = f"{LEARN}/storage/queues/scalability-targets"
BATCH_PAGE: Final = f"{LEARN}/batch/batch-quota-limit"
FLEX_PAGE: Final = f"{LEARN}/azure-functions/flex-consumption-plan"
TASKS_PAGE: Final = f"{LEARN}/batch/large-number-tasks"
REGISTRY_PAGE: Final = f"{LEARN}/container-registry/container-registry-skus"
OWN: Final = "host.json, infra/bicep"

SWEEP_SECONDS: Final = 120.0
"""Period of the sweep."""
SWEEP_FIXED: Final = 9
SWEEP_ADMITTED: Final = 12
"""Requests of a sweep: in any case, and for an admitted run."""
STATUS_REQUESTS: Final = 12
"""To compute a status, with its two conditional writes."""
STATUS_SECONDS: Final = 2.0
"""Age up to which an answer is given to other watchers."""
STATUS_CPU: Final = 0.004
"""CPU seconds of an answered poll."""
BATCH_REQUESTS: Final = 35
"""Requests to the ops account for a batch, its task included."""
TASKS_PER_MINUTE: Final = 20_000
"""In collections of a hundred, by Microsoft's page on many tasks. Tasks must be there before nodes could paint them."""
REGISTRY_GBITS: Final = 0.8
"""Assumed: 100 MB per second. The page has no bandwidth any more."""
NODES_OF_A_RUN: Final = 4
"""Nodes among which a run is divided: the templates' default of Spot nodes."""
BITS: Final = 8e-9
"""Gigabits in a byte."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a deployment."""

    runs: int = 1000
    """Runs at a time; each with a slot, a Batch job and a watcher."""
    frames: int = 18_000
    """Frames of a run."""
    nodes: int = 1000
    fps: float = 10.0
    """Frames per second of one node."""
    per_batch: int = 96
    watchers: int = 1
    """People who watch one run."""
    poll_seconds: float = 5.0
    cells: int = 1
    blobs: bool = False
    """Whether frames are blobs: uploaded, read and written one by one. Else nodes decode the video."""
    input_bytes: int = 420_000
    """Of an input frame as a blob: 1920x1080 in the mean."""
    painted_bytes: int = 930_000
    """Of a painted frame as a blob."""
    segment_bytes: int = 140_000
    """Of a frame in its batch's segment."""
    source_bytes: int = 33_000
    """Of a frame in the source video, at 8 Mbit/s."""
    image_gb: float = 7.5
    round_trip: float = 0.01
    """Seconds of one storage request of the app."""

    @property
    def cell(self) -> "Load":
        """The share of one cell, at least one run and one node."""
        runs, nodes = -(-self.runs // self.cells), -(-self.nodes // self.cells)
        return replace(self, runs=runs, nodes=nodes, cells=1)

    @property
    def batches_per_second(self) -> float:
        """Batches that all nodes finish per second."""
        return self.nodes * self.fps / self.per_batch


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one part of a deployment has to do, against its limit."""

    part: str
    unit: str
    demand: float
    limit: float
    page: str
    lift: str
    """What raises the limit or lowers the demand."""

    @property
    def use(self) -> float:
        """The demand as a share of the limit."""
        return self.demand / self.limit


def demands(load: Load) -> list[Demand]:
    """Return the demand on each part of one cell, the most used first."""
    cell = load.cell
    return sorted((*_data_account(cell), *_ops_account(cell), *_compute(cell)), key=lambda part: -part.use)


def _data_account(cell: Load) -> list[Demand]:
    frames = cell.nodes * cell.fps
    # A frame as a blob is read with a tenth of warm-up frames, and written; a video is read in ranges of 4 MiB.
    requests = frames * 2.1 if cell.blobs else frames * cell.source_bytes / 2**22 + 2 * cell.batches_per_second
    written = cell.segment_bytes + (cell.painted_bytes if cell.blobs else 0)
    read = 1.1 * cell.input_bytes if cell.blobs else 1.5 * cell.source_bytes
    return [
        Demand(
            part="data account, requests",
            unit="/s",
            demand=requests,
            limit=20_000,
            page=STORAGE_PAGE,
            lift="frames from the video instead of blobs; more cells",
        ),
        Demand(
            part="data account, written",
            unit=" Gbit/s",
            demand=frames * written * BITS,
            limit=25,
            page=STORAGE_PAGE,
            lift="no painted frames as blobs; a limit of 60 on request; more cells",
        ),
        Demand(
            part="data account, read",
            unit=" Gbit/s",
            demand=frames * read * BITS,
            limit=50,
            page=STORAGE_PAGE,
            lift="frames from the video instead of blobs; more cells",
        ),
    ]


def _ops_account(cell: Load) -> list[Demand]:
    polls = cell.runs * cell.watchers / cell.poll_seconds
    computed = min(polls, cell.runs / STATUS_SECONDS)
    sweep = SWEEP_FIXED + SWEEP_ADMITTED * cell.runs
    batches = cell.batches_per_second
    requests = polls + computed * STATUS_REQUESTS + batches * BATCH_REQUESTS + sweep / SWEEP_SECONDS
    return [
        Demand(
            part="ops account, requests",
            unit="/s",
            demand=requests,
            limit=20_000,
            page=STORAGE_PAGE,
            lift="more frames in a batch; more cells",
        ),
        Demand(
            part="one status blob, reads",
            unit="/s",
            demand=cell.watchers / cell.poll_seconds,
            limit=500,
            page=BLOB_PAGE,
            lift="longer pauses between polls",
        ),
        Demand(
            part="queue of finished batches, messages",
            unit="/s",
            demand=3 * batches,
            limit=2000,
            page=QUEUE_PAGE,
            lift="more frames in a batch; more cells",
        ),
        Demand(
            part="sweep",
            unit=" s",
            demand=sweep * cell.round_trip,
            limit=SWEEP_SECONDS,
            page=OWN,
            lift="it goes on where it stopped, so it is late and not lost; more cells",
        ),
    ]


def _compute(cell: Load) -> list[Demand]:
    polls = cell.runs * cell.watchers / cell.poll_seconds
    return [
        Demand(
            part="Batch, active jobs",
            unit="",
            demand=cell.runs,
            limit=100,
            page=BATCH_PAGE,
            lift="MAX_OPEN_RUNS makes the others wait; quota of 300 to 1,000 on request; more cells",
        ),
        Demand(
            part="Batch, time to add all tasks",
            unit=" min",
            demand=cell.runs * -(-cell.frames // cell.per_batch) / TASKS_PER_MINUTE,
            limit=cell.runs * cell.frames / (cell.nodes * cell.fps) / 60,
            page=TASKS_PAGE,
            lift="more frames in a batch",
        ),
        Demand(
            part="Functions, cores for polls and batches",
            unit="",
            demand=polls * STATUS_CPU + cell.batches_per_second * 0.03,
            limit=40,
            page=FLEX_PAGE,
            lift="maximumInstanceCount; more cells",
        ),
        Demand(
            part="registry, hours to give all nodes the image",
            unit=" h",
            demand=cell.nodes * cell.image_gb * 8 / REGISTRY_GBITS / 3600,
            limit=1,
            page=REGISTRY_PAGE,
            lift="the image in the nodes' disk image; replicas; a registry for each cell",
        ),
    ]


def cells_needed(load: Load) -> int | None:
    """Return the least number of cells with which no part is over its limit; None if cells do not help."""
    most = max(load.runs, load.nodes)
    return next((cells for cells in range(1, most + 1) if demands(replace(load, cells=cells))[0].use <= 1), None)


def table(parts: Sequence[Demand]) -> str:
    """Return the demands as a Markdown table."""
    lines = ["| part of a cell | demand | limit | used | lift |", "|---|---|---|---|---|"]
    for part in parts:
        demand, limit = f"{_number(part.demand)}{part.unit}", f"{_number(part.limit)}{part.unit}"
        source = f"[{limit}]({part.page})" if part.page.startswith("https") else f"{limit} ({part.page})"
        lines.append(f"| {part.part} | {demand} | {source} | {part.use:.0%} | {part.lift} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Return a number with about three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    """Print the demand on one cell, what saturates first, and how many cells it takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Load):
        name, kind = f"--{field.name.replace('_', '-')}", type(field.default)
        if kind is bool:
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=kind, default=field.default)
    load = Load(**vars(parser.parse_args()))
    parts, needed = demands(load), cells_needed(load)
    print(table(parts))
    first = parts[0]
    print(f"\nFirst: {first.part}, {first.use:.0%} of its limit.")
    print(f"Cells for all to be within their limits: {needed or 'no number is enough'}.")
    print(f"\nShare of the tasks' time that is painting, on {NODES_OF_A_RUN} nodes:\n\n{share_table(NODES_OF_A_RUN)}")


if __name__ == "__main__":
    main()
