"""Runs in every state, with pictures, for the page's tests and screenshots."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import PairSide, RunPaths
from frame_tools.contracts.progress import StepProgress
from orchestration.azure_batch.in_memory import InMemoryBatch
from orchestration.azure_batch.pool import NodeView, RunningTask
from orchestration.handlers.cancel import cancel
from orchestration.handlers.dead_letter import dead_letter_message
from tests.support.fake_node import fail
from tests.support.world import World, painting

STATIC: Final = Path(__file__).parents[2] / "orchestration" / "web" / "static"
FRAMES: Final = 24
SIDES: Final[tuple[PairSide, PairSide]] = ("before", "after")


@dataclass(frozen=True, kw_only=True)
class PageRuns:
    """The ids of one run in each state."""

    finished: str
    cancelled: str
    failed: str
    painting: str
    waiting: str


def start_run(world: World, name: str, **options) -> str:
    """Start a run of eight batches that is painted after The Starry Night."""
    world.upload_files(name, {"the_starry_night.jpg": painting()})
    chosen = {"scorer": "any", "style": "the_starry_night.jpg", "frames_per_batch": 3} | options
    run_id = world.start(name, FRAMES, **chosen)
    world.deliver_messages()
    return run_id


def write_pairs(world: World, run_id: str, *indices: int) -> None:
    """Write pictures of frames before and after painting, and of the painting, as tasks do."""
    pictures = {side: (STATIC / f"example_{side}.webp").read_bytes() for side in SIDES}
    for index in indices:
        for side in SIDES:
            world.storage.work.write(RunPaths(run_id).pair(index, side), pictures[side])
    world.storage.work.write(RunPaths(run_id).style_picture, pictures["after"])


def write_progress(world: World, run_id: str, batch: int, frames: int) -> None:
    """Write how far the running task of a batch is."""
    step = f"{batch:05d}"
    now = world.app.clock.now().isoformat()
    progress = StepProgress(
        run_id=run_id, step=step, task_id=f"b{step}", frames=frames, seconds=frames / 1.5, written_at=now
    )
    world.storage.runs.write(RunPaths(run_id).step_progress(step), progress.dumps())


def add_nodes(world: World, painting: str) -> None:
    """Put two nodes into the pool: one paints, one is unusable; and set an invalid message aside."""
    assert isinstance(world.app.batch, InMemoryBatch)
    now = world.clock.now()
    busy = NodeView(
        node_id="tvm-gpu-0",
        state="running",
        dedicated=False,
        running_tasks=1,
        tasks=(RunningTask(job_id=f"{painting}-j0", task_id="b00003"),),
        allocated_at=now - dt.timedelta(minutes=12),
    )
    broken = NodeView(
        node_id="tvm-gpu-1",
        state="unusable",
        dedicated=True,
        running_tasks=0,
        allocated_at=now - dt.timedelta(hours=3),
        errors=("DiskFull: There is no space left on the node (Path: /mnt)",),
    )
    world.app.batch.jobs.nodes += [busy, broken]
    dead_letter_message(world.app, paths.FRAME_BATCHES_POISON, "hello", InputError("no message", "none"))


def fill(world: World) -> PageRuns:
    """Start a run for each state, the last ones most recently; return their ids."""
    finished = start_run(world, "lighthouse", label="spring")
    write_pairs(world, finished, *spread_sample(FRAMES))
    world.finish(finished)
    world.clock.advance(hours=26)
    cancelled = start_run(world, "frog-on-the-floor")
    world.score(cancelled, 0, 1)
    write_pairs(world, cancelled, *spread_sample(FRAMES)[:2])
    cancel(world.app, cancelled)
    world.deliver_messages()
    failed = start_run(world, "bottles-on-a-table")
    world.score(failed, 0, 1, 2, 3, 4)
    write_pairs(world, failed, *spread_sample(FRAMES)[:5])
    for batch in (5, 6, 7):
        fail(world.storage, failed, batch, "Frame 19 came out black, twice")
    world.deliver_messages()
    world.clock.advance(minutes=20)
    painted = start_run(world, "bunny-trailer")
    world.score(painted, 0, 1, 2)
    write_pairs(world, painted, *spread_sample(FRAMES)[:3])
    write_progress(world, painted, 3, 2)
    waiting = start_run(world, "kitchen-take-2")
    add_nodes(world, painted)
    return PageRuns(finished=finished, cancelled=cancelled, failed=failed, painting=painted, waiting=waiting)
