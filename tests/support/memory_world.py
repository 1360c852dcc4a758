"""A world in memory, whose state can be saved and restored."""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from frame_tools.contracts import paths
from frame_tools.storage.deployment import Storage
from frame_tools.storage.in_memory import AccessHook, BlobStore, InMemoryContainer, InMemoryLinks, InMemoryQueue
from orchestration.app import App
from orchestration.azure_batch.in_memory import InMemoryBatch, InMemoryJobs
from orchestration.memory_budget import MemoryBudget
from orchestration.plan_cache import PlanCache
from orchestration.settings import Settings
from tests.support.world import AdjustableClock, World

CONTAINERS = (
    *(paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT),
    *(paths.RUNS, paths.LOGS, paths.SCRIPTS, paths.HASHES),
)
QUEUES = ("frame_batches", "finished_batches")
POISON_QUEUES = (paths.BLOB_TRIGGER_POISON, paths.FRAME_BATCHES_POISON, paths.FINISHED_BATCHES_POISON)
TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")
ETAGS = re.compile(rb"0x[0-9A-F]+")


def keeps_list(accessed: str) -> bool:
    """Return whether an access (see `AccessHook`) only keeps the list of runs or a status, which decide nothing."""
    kept = (f"{paths.RUNS}/{paths.INDEX}", f"{paths.RUNS}/{paths.STATUSES}")
    return accessed.startswith(kept) or accessed.endswith("/listed")


@dataclass
class InMemoryCloud:
    """The durable state of a world: containers, queues and Batch jobs."""

    containers: dict[str, BlobStore] = field(default_factory=lambda: {name: BlobStore() for name in CONTAINERS})
    queues: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in QUEUES})
    jobs: InMemoryJobs = field(default_factory=InMemoryJobs)
    poisoned: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in POISON_QUEUES})

    def world(self, **settings: Any) -> World:
        """Return an app on this state; `settings` override the defaults."""
        containers = {name: InMemoryContainer(name, store) for name, store in self.containers.items()}
        parts: dict[str, Any] = containers | {name: InMemoryQueue(texts) for name, texts in self.queues.items()}
        storage = Storage(**parts)
        defaults = Settings(batch_endpoint="http://127.0.0.1:1", node_image="stub:1")
        return World(
            App(
                settings=defaults.model_copy(update=settings),
                storage=storage,
                batch=InMemoryBatch(self.jobs),
                links=InMemoryLinks(),
                poison={name: InMemoryQueue(self.poisoned[name]) for name in POISON_QUEUES},
                clock=AdjustableClock(),
                task_environment={},
            )
        )

    def expire_leases(self) -> None:
        """Break the leases of crashed holders, as their expiry does."""
        for store in self.containers.values():
            store.blobs = {name: replace(stored, leased=False) for name, stored in store.blobs.items()}

    def fingerprint(self) -> Hashable:
        """Return the durable state without times and list of runs: equal fingerprints lead to equal continuations.

        Recorded ETags are replaced by the names of the blobs that have them now. Pages, which nothing reads again and
        which show times in several forms, count by their names only.
        """
        current = {
            stored.etag.strip('"').encode(): f"{container}/{name}".encode()
            for container, store in self.containers.items()
            for name, stored in store.blobs.items()
        }
        blobs = tuple(
            (container, name, b"" if name.endswith(".html") else _comparable(stored.data, current))
            for container, store in self.containers.items()
            for name, stored in sorted(store.blobs.items())
            if not keeps_list(f"{container}/{name}")
        )
        texts = tuple(tuple(sorted(waiting)) for waiting in self.queues.values())
        tasks = tuple((job, tuple(sorted(each.items()))) for job, each in sorted(self.jobs.tasks.items()))
        return blobs, texts, tasks, frozenset(self.jobs.closed)

    def snapshot(self) -> Callable[[], None]:
        """Save the state; return a function that restores it."""
        blobs = {name: dict(store.blobs) for name, store in self.containers.items()}
        texts = {name: list(waiting) for name, waiting in self.queues.items()}
        tasks, closed = {job: dict(each) for job, each in self.jobs.tasks.items()}, set(self.jobs.closed)

        def restore() -> None:
            for name, store in self.containers.items():
                store.blobs = dict(blobs[name])
                store.staged = {}
            for name, waiting in self.queues.items():
                waiting[:] = texts[name]
            self.jobs.tasks, self.jobs.closed = {job: dict(each) for job, each in tasks.items()}, set(closed)

        return restore


def _comparable(data: bytes, current: Mapping[bytes, bytes]) -> bytes:
    """Return a blob's content without times, and with the names of the blobs in place of their ETags."""
    return ETAGS.sub(lambda found: current.get(found[0], b"outdated"), TIMES.sub(b"", data))


def with_access_hook(app: App, hook: AccessHook) -> App:
    """Return the app of another process, which calls `hook` before each access to storage or Batch."""
    parts: dict[str, Any] = {part.name: getattr(app.storage, part.name) for part in fields(app.storage)}
    storage = replace(app.storage, **{name: part.with_hook(hook) for name, part in parts.items()})
    assert isinstance(app.batch, InMemoryBatch)
    return replace(app, storage=storage, batch=app.batch.with_hook(hook), memory=MemoryBudget(), plans=PlanCache())
