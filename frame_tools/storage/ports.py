"""Storage ports: the operations that Impasto needs of blob containers and queues.

`frame_tools.storage.blobs` and `frame_tools.storage.queues` implement them on Azure, `frame_tools.storage.in_memory` in
this process; the same contract tests (tests/contract) run against both.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.blobs.values import Blob, BlobInfo, Page


class Lease(Protocol):
    """A lease on a blob: mutual exclusion that ends when its holder dies."""

    @property
    def lost(self) -> bool:
        """Whether the lease could not be renewed, so that another process may hold it."""


class BlockWriter(Protocol):
    """A new blob, written in blocks and visible after one commit."""

    def stage(self, block_id: str, data: bytes) -> None:
        """Upload one block, which is not visible yet. All block ids of a blob have the same length."""

    def commit(self, block_ids: Sequence[str]) -> str:
        """Create the blob from these blocks, in this order, and return its ETag.

        Raises AlreadyThereError if the blob exists.
        """


class BlobReader(Protocol):
    """A blob as a seekable file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes (all remaining bytes for -1); empty at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position in bytes and return it."""

    def tell(self) -> int:
        """Return the position in bytes."""


class BlobContainer(Protocol):
    """A blob container. Every write is atomic: a blob is complete under its name or does not exist."""

    @property
    def name(self) -> str:
        """The container's name."""

    @property
    def url(self) -> str:
        """The container's URL without a signature."""

    @property
    def readers(self) -> int:
        """How many blobs may be read at a time: see `read_ahead`."""

    def ensure(self) -> None:
        """Create the container unless it exists."""

    def is_created(self) -> bool:
        """Return whether the container exists; raises HttpResponseError if access is denied."""

    def read(self, name: str, *, limit: int | None = None) -> Blob | None:
        """Return a blob, or None if it does not exist; of a blob larger than `limit` bytes, the first limit + 1."""

    def need(self, name: str) -> Blob:
        """Return a blob; raises MissingError if it does not exist."""

    def info(self, name: str) -> BlobInfo | None:
        """Return the properties of a blob, or None if it does not exist."""

    def exists(self, name: str) -> bool:
        """Return whether a blob exists."""

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Yield the blobs whose names start with `prefix`, in name order. End a folder with "/" to exclude siblings."""

    def folders(self) -> Iterator[str]:
        """Yield the names of the top-level folders, in name order."""

    def page(self, prefix: str, *, marker: str = "", limit: int = 5000, with_metadata: bool = False) -> Page[BlobInfo]:
        """Return at most `limit` blobs (5,000 at most) whose names start with `prefix`, from `marker` on.

        Raises HttpResponseError with status 400 for a marker that the service does not know.
        """

    def folder_page(self, *, marker: str = "", limit: int = 5000) -> Page[str]:
        """Return the names of the top-level folders among the next `limit` names, from `marker` on.

        Raises HttpResponseError with status 400 for a marker that the service does not know.
        """

    def write(self, name: str, data: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write or overwrite a blob; returns its ETag. Metadata is ASCII, at most 8 KB."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a blob unless it exists; returns whether this call created it."""

    def replace(self, name: str, data: bytes, *, etag: str) -> str | None:
        """Overwrite a blob only while its ETag is `etag`; returns its new ETag, or None if it had another one."""

    def delete(self, name: str, *, etag: str | None = None) -> bool:
        """Delete a blob (if given, only while its ETag is `etag`); returns whether this call deleted it."""

    def append(self, name: str, record: bytes) -> int:
        """Append `record` to an append blob, created if missing; returns its size before, in bytes."""

    def upload_file(self, name: str, path: Path) -> None:
        """Write a blob from a file of any size and record the MD5 of its content."""

    def download_to(self, name: str, target: IO[bytes]) -> str | None:
        """Write a blob of any size to an open file; returns its ETag, or None if it does not exist."""

    def open(self, name: str) -> BlobReader:
        """Open a blob for reading and seeking without loading it; raises MissingError."""

    def block_writer(self, name: str) -> BlockWriter:
        """Return a writer for a large new blob, which becomes visible when its blocks are committed."""

    def lease(self, name: str) -> AbstractContextManager[Lease | None]:
        """Hold a renewed lease on a blob (created if missing) in the `with` block; None if another process holds it."""


class MessageQueue(Protocol):
    """A queue of batch messages."""

    def ensure(self) -> None:
        """Create the queue unless it exists."""

    def is_created(self) -> bool:
        """Return whether the queue exists; raises HttpResponseError if access is denied."""

    def send(self, message: BatchMessage) -> None:
        """Send one message; creates a missing queue."""

    def send_all(self, messages: Iterable[BatchMessage]) -> None:
        """Send many messages; after an error, some of them may have been sent."""

    def oldest(self, count: int = 32) -> list[str]:
        """Return the texts of up to 32 waiting messages without removing them; empty if the queue does not exist."""

    def count(self) -> int:
        """Return about how many messages the queue has, those that are being worked on too; zero if it is missing."""

    def age_of_oldest(self) -> dt.timedelta:
        """Return how long the first visible message has been waiting; zero for an empty or missing queue."""


class BlobLinks(Protocol):
    """Links to single blobs of the data account that browsers can follow, because they are signed."""

    @property
    def origin(self) -> str:
        """The origin of all links, scheme://host:port."""

    def view(self, container: str, name: str, *, now: dt.datetime, download: str = "") -> str:
        """Return a link that reads one blob for at least an hour; with `download`, browsers store it under that name.

        Links to the same blob are equal for some time.
        """

    def upload(self, container: str, name: str, *, now: dt.datetime) -> tuple[str, dt.datetime]:
        """Return a link that creates or replaces one blob, whole or in blocks, and when it expires."""
