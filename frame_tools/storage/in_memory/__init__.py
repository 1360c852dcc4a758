"""Storage in memory: a complete implementation of the storage ports, for tests and benchmarks."""

from frame_tools.contracts import paths
from frame_tools.storage.deployment import Storage
from frame_tools.storage.in_memory.containers import (
    BlobStore,
    InMemoryBlockWriter,
    InMemoryContainer,
    InMemoryLease,
    StoredBlob,
)
from frame_tools.storage.in_memory.hooks import AccessHook, no_hook
from frame_tools.storage.in_memory.links import InMemoryLinks
from frame_tools.storage.in_memory.queues import InMemoryQueue

__all__ = [
    "AccessHook",
    "BlobStore",
    "InMemoryBlockWriter",
    "InMemoryContainer",
    "InMemoryLease",
    "InMemoryLinks",
    "InMemoryQueue",
    "StoredBlob",
    "in_memory_storage",
    "no_hook",
]


def in_memory_storage() -> Storage:
    """Return empty storage in memory."""
    data, ops = (paths.INPUT, paths.TRIGGERS, paths.WORK, paths.OUTPUT), (paths.RUNS, paths.LOGS, paths.SCRIPTS)
    containers = (*data, *ops, paths.HASHES)
    return Storage(
        **{name: InMemoryContainer(name) for name in containers},
        frame_batches=InMemoryQueue(),
        finished_batches=InMemoryQueue(),
    )
