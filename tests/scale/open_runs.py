"""Many open runs in memory, copied from one, and a count of the operations on storage and Batch."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from frame_tools.contracts import ids, paths
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from tests.support.memory_world import InMemoryCloud, with_access_hook
from tests.support.world import World


class StandingClock:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.time


@dataclass(frozen=True)
class OpenRuns:
    """A world with open runs."""

    cloud: InMemoryCloud
    world: World
    admitted: tuple[str, ...]
    waiting: tuple[str, ...]


def open_runs(admitted: int, waiting: int, *, batches: int = 2, **settings: Any) -> OpenRuns:
    """Return a world with runs that have active tasks, and runs that wait for a slot."""
    cloud = InMemoryCloud()
    world = cloud.world(max_open_runs=admitted, **settings)
    first = world.start("clip", 2 * batches)
    world.deliver_messages()
    copies = tuple(_copy_run(cloud, first, number) for number in range(1, admitted))
    waits = world.start("waits", 2) if waiting else ""
    queued = tuple(_copy_run(cloud, waits, number) for number in range(admitted + 1, admitted + waiting))
    return OpenRuns(cloud, world, (first, *copies), (waits, *queued) if waiting else ())


def _copy_run(cloud: InMemoryCloud, run_id: str, number: int) -> str:
    """Copy an open run: its documents, open mark, slot and Batch job."""
    copy = f"{run_id[: -ids.HASH_CHARS]}{number:0{ids.HASH_CHARS}x}"
    blobs = cloud.containers[paths.RUNS].blobs
    names = {f"{paths.OPEN_MARKS}{run_id}": f"{paths.OPEN_MARKS}{copy}"}
    if blobs.get(paths.slot(0)) and blobs[paths.slot(0)].data == run_id.encode():
        names[paths.slot(0)] = paths.slot(number)
    names |= {name: name.replace(run_id, copy) for name in blobs if name.startswith(f"{run_id}/")}
    container = cloud.world().storage.runs
    for source, target in names.items():
        container.create(target, blobs[source].data.replace(run_id.encode(), copy.encode()))
    entry = next(name for name in blobs if name.startswith(paths.INDEX) and name.endswith(run_id))
    row = {name: text.replace(run_id, copy) for name, text in blobs[entry].metadata.items()}
    container.write(entry.replace(run_id, copy), b"", metadata=row)
    jobs = cloud.jobs.tasks
    jobs |= {job.replace(run_id, copy): dict(tasks) for job, tasks in list(jobs.items()) if job.startswith(run_id)}
    priorities = cloud.jobs.priorities
    priorities |= {
        job.replace(run_id, copy): value for job, value in list(priorities.items()) if job.startswith(run_id)
    }
    return copy


@dataclass(frozen=True)
class Operations:
    """Operations on storage and Batch."""

    by_resource: Counter[str]

    @property
    def total(self) -> int:
        return self.by_resource.total()

    def of_run(self, run_id: str) -> int:
        """Return the operations on the blobs of a run in `runs`; those on Batch have no name."""
        names = (f"{paths.RUNS}/{run_id}/", f"{paths.RUNS}/{RunPaths(run_id).open_mark}")
        return sum(count for name, count in self.by_resource.items() if name.startswith(names))


def count_operations(app: App, call: Callable[[App], object]) -> Operations:
    """Call a handler and return the operations that it made."""
    counter: Counter[str] = Counter()

    def count(resource: str, writes: bool) -> None:
        counter[resource] += 1

    call(with_access_hook(replace(app), count))
    return Operations(counter)
