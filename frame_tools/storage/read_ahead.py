"""Reading of many blobs in order, some of them in advance, with a bound on the memory that this takes."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from frame_tools.storage.blobs.values import Blob
from frame_tools.storage.ports import BlobContainer

MOST_BYTES: Final = 16 * 2**20
"""What is in memory or on its way in advance of the blob that is used."""
POOL: Final = "reader"


@dataclass(frozen=True)
class NeededBlob:
    """A blob that will be read."""

    name: str
    size: int
    """About how many bytes it has, for the bound on memory."""
    limit: int
    """Of a blob with more bytes, limit + 1 are read."""


def read_ahead(container: BlobContainer, blobs: Iterable[NeededBlob]) -> Generator[Blob | None]:
    """Yield these blobs in order, None for one that does not exist.

    As many as the container allows are read at a time, in advance of their use, and together at most MOST_BYTES. A
    larger blob is read when it is needed, while no other is in memory.
    """
    if container.readers == 1:
        for blob in blobs:
            yield container.read(blob.name, limit=blob.limit)
        return
    source, pending, ahead = iter(blobs), deque[tuple[int, Future[Blob | None]]](), 0
    upcoming = next(source, None)
    pool = ThreadPoolExecutor(container.readers, thread_name_prefix=POOL)
    try:
        while upcoming is not None or pending:
            has_room = upcoming is not None and (not pending or ahead + upcoming.size <= MOST_BYTES)
            if upcoming is not None and has_room and len(pending) < container.readers:
                pending.append((upcoming.size, pool.submit(container.read, upcoming.name, limit=upcoming.limit)))
                ahead += upcoming.size
                upcoming = next(source, None)
                continue
            size, future = pending.popleft()
            ahead -= size
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
