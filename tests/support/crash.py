"""A process that dies between two writes: storage and Batch whose n-th write is done and then is the last."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.blobs import BlockWriter, Container
from frame_tools.storage.queues import Queue
from orchestration.app import App
from orchestration.azure_batch.client import BatchService, Placed


class Killed(BaseException):
    """The process is gone; nothing may catch this but the test."""


@dataclass
class Fuse:
    """Blows when `writes` writes are done."""

    writes: int
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self) -> None:
        """A dead process writes nothing."""
        if self.done >= self.writes:
            raise Killed

    def after(self) -> None:
        with self.lock:
            self.done += 1


class FusedContainer(Container):
    """A container behind the fuse."""

    def __init__(self, container: Container, fuse: Fuse) -> None:
        super().__init__(container._client)
        self._fuse = fuse

    def write(self, name: str, data: bytes) -> str:
        self._fuse.before()
        etag = super().write(name, data)
        self._fuse.after()
        return etag

    def create(self, name: str, data: bytes) -> bool:
        self._fuse.before()
        made = super().create(name, data)
        if made:
            self._fuse.after()
        return made

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        self._fuse.before()
        deleted = super().delete(name, etag=etag)
        if deleted:
            self._fuse.after()
        return deleted

    def append(self, name: str, record: bytes) -> int:
        self._fuse.before()
        before = super().append(name, record)
        self._fuse.after()
        return before

    def block_writer(self, name: str) -> BlockWriter:
        return FusedBlocks(self._client, name, self._fuse)


class FusedBlocks(BlockWriter):
    """A block writer behind the fuse."""

    def __init__(self, client: Any, name: str, fuse: Fuse) -> None:
        super().__init__(client, name)
        self._fuse = fuse

    def stage(self, block_id: str, data: bytes) -> None:
        self._fuse.before()
        super().stage(block_id, data)
        self._fuse.after()

    def commit(self, block_ids: Sequence[str]) -> None:
        self._fuse.before()
        super().commit(block_ids)
        self._fuse.after()


class FusedQueue(Queue):
    """A queue behind the fuse."""

    def __init__(self, queue: Queue, fuse: Fuse) -> None:
        super().__init__(queue._client)
        self._fuse = fuse

    def send(self, message: BatchMessage) -> None:
        self._fuse.before()
        super().send(message)
        self._fuse.after()


class FusedBatch(BatchService):
    """A Batch service behind the fuse."""

    def __init__(self, app: App, fuse: Fuse) -> None:
        super().__init__(app.settings, logs_url=app.storage.logs.url)
        self._fuse = fuse

    def ensure_job(self, job_id: str, *, correlation_id: str) -> bool:
        self._fuse.before()
        is_open = super().ensure_job(job_id, correlation_id=correlation_id)
        self._fuse.after()
        return is_open

    def add_task(self, job_id: str, spec: Any) -> Placed:
        self._fuse.before()
        placed = super().add_task(job_id, spec)
        self._fuse.after()
        return placed

    def add_tasks(self, job_id: str, specs: Sequence[Any]) -> Placed:
        self._fuse.before()
        placed = super().add_tasks(job_id, specs)
        self._fuse.after()
        return placed

    def terminate_job(self, job_id: str, reason: str) -> None:
        self._fuse.before()
        super().terminate_job(job_id, reason)
        self._fuse.after()


def fused(app: App, writes: int) -> App:
    """Return the app as a process that dies after `writes` writes."""
    fuse = Fuse(writes)
    parts = {part.name: getattr(app.storage, part.name) for part in fields(app.storage)}
    storage = replace(
        app.storage,
        **{
            name: FusedContainer(part, fuse) if isinstance(part, Container) else FusedQueue(part, fuse)
            for name, part in parts.items()
        },
    )
    return replace(app, storage=storage, batch=FusedBatch(app, fuse))
