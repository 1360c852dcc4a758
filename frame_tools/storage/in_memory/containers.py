"""Blob containers in memory."""

import datetime as dt
import io
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

from azure.core.exceptions import HttpResponseError

from frame_tools.contracts.errors import MissingError
from frame_tools.storage.blobs import AlreadyThereError, Blob, BlobInfo, Page, md5_of_bytes
from frame_tools.storage.in_memory.hooks import AccessHook, no_hook

_etags = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class StoredBlob:
    """One version of a blob."""

    data: bytes
    created: dt.datetime
    modified: dt.datetime
    is_append_blob: bool = False
    leased: bool = False
    md5: bytes | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: f'"0x{next(_etags):X}"')


@dataclass
class BlobStore:
    """The content of a container; several `InMemoryContainer` objects may share it, as processes share a container."""

    blobs: dict[str, StoredBlob] = field(default_factory=dict)
    staged: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Uncommitted blocks, by blob name and block id."""
    lock: threading.RLock = field(default_factory=threading.RLock)


class InMemoryContainer:
    """A blob container in memory. `hook` is called before each access."""

    def __init__(self, name: str, store: BlobStore | None = None, hook: AccessHook = no_hook) -> None:
        self._name = name
        self._store = BlobStore() if store is None else store
        self._hook = hook

    def with_hook(self, hook: AccessHook) -> Self:
        """Return the same container as another process sees it, with its own hook."""
        return type(self)(self._name, self._store, hook)

    @property
    def contents(self) -> dict[str, bytes]:
        """A copy of all blobs, by name."""
        with self._store.lock:
            return {name: stored.data for name, stored in self._store.blobs.items()}

    @property
    def name(self) -> str:
        """The container's name."""
        return self._name

    @property
    def url(self) -> str:
        """A URL that names the container."""
        return f"memory://{self._name}"

    @property
    def readers(self) -> int:
        """One: nothing is gained by several, and tests need a definite order of accesses."""
        return 1

    def ensure(self) -> None:
        """Do nothing: the container always exists."""

    def is_created(self) -> bool:
        """Return True: the container always exists."""
        return True

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return a blob, or None if it does not exist; of a blob larger than `limit` bytes, the first limit + 1."""
        self._hook(f"{self._name}/{name}", False)
        stored = self._store.blobs.get(name)
        if stored is None:
            return None
        return Blob(data=stored.data[: None if limit is None else limit + 1], etag=stored.etag)

    def need(self, name: str) -> Blob:
        """Return a blob; raises MissingError if it does not exist."""
        blob = self.read(name)
        if blob is None:
            raise MissingError(f"The blob {self.name}/{name} does not exist", "Check the run id and the name")
        return blob

    def info(self, name: str) -> BlobInfo | None:
        """Return the properties of a blob, or None if it does not exist."""
        self._hook(f"{self._name}/{name}", False)
        stored = self._store.blobs.get(name)
        return None if stored is None else _info(name, stored)

    def exists(self, name: str) -> bool:
        """Return whether a blob exists."""
        return self.info(name) is not None

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield the blobs whose names start with `prefix`, in name order."""
        self._hook(f"{self._name}/{prefix}", False)
        yield from [_info(name, stored) for name, stored in _sorted_blobs(self._store, prefix)]

    def folders(self) -> Iterator[str]:
        """Yield the names of the top-level folders, in name order."""
        self._hook(self._name, False)
        with self._store.lock:
            names = sorted(self._store.blobs)
        yield from sorted({name.split("/", 1)[0] for name in names if "/" in name})

    def page(self, prefix: str, *, marker: str = "", limit: int = 5000, with_metadata: bool = False) -> Page[BlobInfo]:
        """Return at most `limit` blobs whose names start with `prefix`, in name order, from `marker` on."""
        self._hook(f"{self._name}/{prefix}", False)
        left = [blob for blob in _sorted_blobs(self._store, prefix) if blob[0] > marker]
        infos = tuple(
            replace(_info(name, stored), metadata=stored.metadata if with_metadata else {})
            for name, stored in left[:limit]
        )
        return Page(infos, infos[-1].name if len(left) > limit else "")

    def folder_page(self, *, marker: str = "", limit: int = 5000) -> Page[str]:
        """Return the names of the top-level folders among the next `limit` names, from `marker` on."""
        self._hook(self._name, False)
        with self._store.lock:
            blobs = list(self._store.blobs)
        names = sorted({name.split("/", 1)[0] + "/" if "/" in name else name for name in blobs})
        left = [name for name in names if name > marker]
        folders = tuple(name.removesuffix("/") for name in left[:limit] if name.endswith("/"))
        return Page(folders, left[limit - 1] if len(left) > limit else "")

    def write(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write or overwrite a blob; returns its ETag."""
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            return self._put(name, data, metadata=metadata or {})

    def create(self, name: str, data: bytes) -> bool:
        """Write a blob unless it exists; returns whether this call created it."""
        return self.create_with_etag(name, data) is not None

    def create_with_etag(self, name: str, data: bytes) -> str | None:
        """Write a blob unless it exists; returns its ETag if this call created it."""
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            return None if name in self._store.blobs else self._put(name, data)

    def replace(self, name: str, data: bytes, *, etag: str) -> str | None:
        """Overwrite a blob only while its ETag is `etag`; returns its new ETag, or None if it had another one."""
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            stored = self._store.blobs.get(name)
            return None if stored is None or stored.etag != etag else self._put(name, data)

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        """Delete a blob (if given, only while its ETag is `etag`); returns whether this call deleted it."""
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            stored = self._store.blobs.get(name)
            if stored is None or etag not in (None, stored.etag):
                return False
            del self._store.blobs[name]
            return True

    def append(self, name: str, record: bytes) -> int:
        """Append `record` to an append blob, created if missing; returns its size before, in bytes."""
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            stored = self._store.blobs.get(name)
            if stored is not None and not stored.is_append_blob:
                raise _conflict("The blob is not an append blob")
            before = stored.data if stored else b""
            self._put(name, before + record, is_append_blob=True)
            return len(before)

    def upload_file(self, name: str, path: Path) -> None:
        """Write a blob from a file and record the MD5 of its content."""
        data = path.read_bytes()
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            self._put(name, data)

    def download_to(self, name: str, target: IO[bytes]) -> str | None:
        """Write a blob to an open file; returns its ETag, or None if it does not exist."""
        blob = self.read(name)
        if blob is None:
            return None
        target.write(blob.data)
        return blob.etag

    def open(self, name: str) -> io.BytesIO:
        """Open a blob for reading and seeking; raises MissingError."""
        return io.BytesIO(self.need(name).data)

    def block_writer(self, name: str) -> "InMemoryBlockWriter":
        """Return a writer for a new blob, which becomes visible when its blocks are committed."""
        return InMemoryBlockWriter(self, name, self._store.staged)

    @contextmanager
    def lease(self, name: str) -> Iterator["InMemoryLease | None"]:
        """Hold a lease on a blob (created if missing) in the `with` block; None if another process holds it."""
        self.create(name, b"")
        self._hook(f"{self._name}/{name}", True)
        with self._store.lock:
            stored = self._store.blobs[name]
            is_free = not stored.leased
            self._store.blobs[name] = replace(stored, leased=True)
        if not is_free:
            yield None
            return
        try:
            yield InMemoryLease()
        finally:
            self._hook(f"{self._name}/{name}", True)
            with self._store.lock:
                self._store.blobs[name] = replace(self._store.blobs[name], leased=False)

    def _put(
        self, name: str, data: bytes, *, is_append_blob: bool = False, metadata: Mapping[str, str] | None = None
    ) -> str:
        replaced, now = self._store.blobs.get(name), dt.datetime.now(dt.UTC)
        stored = StoredBlob(
            data=data,
            created=replaced.created if replaced else now,
            modified=now,
            is_append_blob=is_append_blob,
            md5=None if is_append_blob else md5_of_bytes(data),
            metadata=metadata or {},
        )
        self._store.blobs[name] = stored
        return stored.etag


class InMemoryLease:
    """A lease that is never lost."""

    lost = False


class InMemoryBlockWriter:
    """A new blob in memory, written in blocks."""

    def __init__(self, container: InMemoryContainer, name: str, staged: dict[tuple[str, str], bytes]) -> None:
        self._container = container
        self._name = name
        self._staged = staged

    def stage(self, block_id: str, data: bytes) -> None:
        """Store one block, which is not visible yet."""
        self._staged[self._name, block_id] = data

    def commit(self, block_ids: Sequence[str]) -> str:
        """Create the blob from these blocks, in this order, and return its ETag.

        Raises AlreadyThereError if the blob exists.
        """
        data = b"".join(self._staged[self._name, block_id] for block_id in block_ids)
        etag = self._container.create_with_etag(self._name, data)
        if etag is None:
            raise AlreadyThereError(self._name)
        return etag


def _sorted_blobs(store: BlobStore, prefix: str) -> list[tuple[str, StoredBlob]]:
    with store.lock:
        blobs = [(name, stored) for name, stored in store.blobs.items() if name.startswith(prefix)]
    return sorted(blobs, key=lambda blob: blob[0])


def _info(name: str, stored: StoredBlob) -> BlobInfo:
    return BlobInfo(
        name=name,
        size=len(stored.data),
        etag=stored.etag,
        created=stored.created,
        md5=stored.md5,
        modified=stored.modified,
    )


def _conflict(message: str) -> HttpResponseError:
    error = HttpResponseError(message)
    error.status_code = 409
    return error
