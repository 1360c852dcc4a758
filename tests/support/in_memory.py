"""Blobs and queues in memory, for tests that play thousands of schedules; held to the real ones' contract tests."""

import datetime as dt
import io
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from azure.core.exceptions import HttpResponseError

from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.blobs import AlreadyThereError, Blob, BlobInfo, BlockWriter, Container
from frame_tools.storage.queues import Queue

_etags = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One version of a blob."""

    data: bytes
    created: dt.datetime
    appended: bool = False
    leased: bool = False
    etag: str = field(default_factory=lambda: f'"0x{next(_etags):X}"')


Before = Callable[[str, bool], None]
"""Called before each access with what is accessed (`CONTAINER/NAME` or the kind of service), and whether it writes."""


def nothing(what: str, writes: bool) -> None:
    """Let every access through at once."""


@dataclass
class Shelf:
    """What a container holds; several `MemoryContainer`s may stand before one shelf, as processes do."""

    blobs: dict[str, Stored] = field(default_factory=dict)
    staged: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Blocks that wait for a commit, by blob and block id: whoever staged them."""
    lock: threading.RLock = field(default_factory=threading.RLock)


class MemoryContainer(Container):
    """A container in memory; `before` is called before each access."""

    def __init__(self, name: str, shelf: Shelf, before: Before = nothing) -> None:
        self._name = name
        self._shelf = shelf
        self._before = before

    def seen_through(self, before: Before) -> "MemoryContainer":
        """Return the same container for another process."""
        return MemoryContainer(self._name, self._shelf, before)

    @property
    def name(self) -> str:
        return self._name

    @property
    def url(self) -> str:
        return f"memory://{self._name}"

    def ensure(self) -> None:
        """Be there: it always is."""

    def is_there(self) -> bool:
        return True

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        self._before(f"{self._name}/{name}", False)
        found = self._shelf.blobs.get(name)
        return None if found is None else Blob(data=found.data[: None if limit is None else limit + 1], etag=found.etag)

    def info(self, name: str) -> BlobInfo | None:
        self._before(f"{self._name}/{name}", False)
        found = self._shelf.blobs.get(name)
        return None if found is None else _info(name, found)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        self._before(f"{self._name}/{prefix}", False)
        with self._shelf.lock:
            found = sorted(self._shelf.blobs.items())
        yield from [_info(name, stored) for name, stored in found if name.startswith(prefix)]

    def folders(self) -> Iterator[str]:
        self._before(self._name, False)
        with self._shelf.lock:
            found = sorted(self._shelf.blobs)
        yield from sorted({name.split("/", 1)[0] for name in found if "/" in name})

    def write(self, name: str, data: bytes) -> str:
        self._before(f"{self._name}/{name}", True)
        with self._shelf.lock:
            return self._put(name, data)

    def create(self, name: str, data: bytes) -> bool:
        self._before(f"{self._name}/{name}", True)
        with self._shelf.lock:
            if name in self._shelf.blobs:
                return False
            self._put(name, data)
            return True

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        self._before(f"{self._name}/{name}", True)
        with self._shelf.lock:
            found = self._shelf.blobs.get(name)
            if found is None or etag not in (None, found.etag):
                return False
            del self._shelf.blobs[name]
            return True

    def append(self, name: str, record: bytes) -> int:
        self._before(f"{self._name}/{name}", True)
        with self._shelf.lock:
            found = self._shelf.blobs.get(name)
            if found is not None and not found.appended:
                raise _conflict("The blob is no append blob")
            before = found.data if found else b""
            self._put(name, before + record, appended=True)
            return len(before)

    def open(self, name: str) -> Any:
        blob = self.read(name)
        if blob is None:
            raise MissingError(f"The blob {self.name}/{name} is not there", "Was it deleted?")
        return io.BytesIO(blob.data)

    def block_writer(self, name: str) -> BlockWriter:
        return MemoryBlocks(self, name, self._shelf.staged)

    @contextmanager
    def lease(self, name: str) -> Iterator[Any]:
        self.create(name, b"")
        self._before(f"{self._name}/{name}", True)
        with self._shelf.lock:
            stored = self._shelf.blobs[name]
            free = not stored.leased
            self._shelf.blobs[name] = replace(stored, leased=True)
        if not free:
            yield None
            return
        try:
            yield MemoryLease()
        finally:
            self._before(f"{self._name}/{name}", True)
            with self._shelf.lock:
                self._shelf.blobs[name] = replace(self._shelf.blobs[name], leased=False)

    def _put(self, name: str, data: bytes, *, appended: bool = False) -> str:
        old = self._shelf.blobs.get(name)
        created = old.created if old else dt.datetime.now(dt.UTC)
        stored = Stored(data=data, created=created, appended=appended)
        self._shelf.blobs[name] = stored
        return stored.etag


class MemoryLease:
    """A lease that is never lost."""

    lost = False


class MemoryBlocks(BlockWriter):
    """Blocks of a new blob in memory."""

    def __init__(self, container: MemoryContainer, name: str, staged: dict[tuple[str, str], bytes]) -> None:
        self._container = container
        self._name = name
        self._staged = staged

    def stage(self, block_id: str, data: bytes) -> None:
        self._staged[self._name, block_id] = data

    def commit(self, block_ids: Sequence[str]) -> None:
        if not self._container.create(self._name, b"".join(self._staged[self._name, one] for one in block_ids)):
            raise AlreadyThereError(self._name)


class MemoryQueue(Queue):
    """A queue in memory; `before` is called before each message that is put."""

    def __init__(self, texts: list[str], before: Before = nothing) -> None:
        self._texts = texts
        self._before = before

    def seen_through(self, before: Before) -> "MemoryQueue":
        """Return the same queue for another process."""
        return MemoryQueue(self._texts, before)

    def ensure(self) -> None:
        """Be there: it always is."""

    def is_there(self) -> bool:
        return True

    def send(self, message: BatchMessage) -> None:
        self._before("queue", True)
        self._texts.append(message.text())

    def send_all(self, messages: Iterable[BatchMessage]) -> None:
        for message in messages:
            self.send(message)

    def oldest(self, count: int = 32) -> list[str]:
        return self._texts[:count]

    def age_of_oldest(self) -> dt.timedelta:
        return dt.timedelta()

    def taken(self) -> list[str]:
        """Take all messages off the queue."""
        texts = list(self._texts)
        self._texts.clear()
        return texts


def _info(name: str, stored: Stored) -> BlobInfo:
    return BlobInfo(name=name, size=len(stored.data), etag=stored.etag, created=stored.created, md5=None)


def _conflict(words: str) -> HttpResponseError:
    error = HttpResponseError(words)
    error.status_code = 409
    return error
