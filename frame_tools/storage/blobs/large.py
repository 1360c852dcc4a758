"""Blobs that are too large for memory: written block by block and committed once, read range by range."""

import base64
import io
from collections.abc import Sequence
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from azure.storage.blob import BlobBlock, ContainerClient

from frame_tools.contracts.errors import DamagedError
from frame_tools.storage.blobs.values import BlobInfo

RANGE_BYTES: Final = 4 * 2**20


class BlockWriter:
    """A new blob, written in blocks and committed once (If-None-Match: *).

    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """

    def __init__(self, client: ContainerClient, name: str) -> None:
        self._client = client.get_blob_client(name)

    def stage(self, block_id: str, data: bytes) -> None:
        """Upload one block, which is not visible yet. All block ids of a blob have the same length."""
        self._client.stage_block(base64.b64encode(block_id.encode()).decode(), data)

    def commit(self, block_ids: Sequence[str]) -> str:
        """Create the blob from these blocks, in this order, and return its ETag.

        Raises AlreadyThereError if the blob exists.
        """
        try:
            committed = self._client.commit_block_list(
                [BlobBlock(block_id=base64.b64encode(i.encode()).decode()) for i in block_ids],
                match_condition=MatchConditions.IfMissing,
            )
        except (ResourceExistsError, ResourceModifiedError):
            raise AlreadyThereError(str(self._client.blob_name)) from None
        return str(committed["etag"])


class AlreadyThereError(Exception):
    """The blob already exists: another process committed it."""


class RangedReader(io.RawIOBase):
    """A blob as a seekable file that buffers one range of 4 MiB."""

    def __init__(self, client: ContainerClient, info: BlobInfo) -> None:
        super().__init__()
        self._client = client
        self._info = info
        self._position = 0
        self._start = 0
        self._buffered = b""

    def readable(self) -> bool:
        """Return True: the file is readable."""
        return True

    def seekable(self) -> bool:
        """Return True: the file is seekable."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in bytes and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._info.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`; returns the number of bytes read, 0 at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (all remaining bytes for -1)."""
        remaining = self._info.size - self._position if size < 0 else min(size, self._info.size - self._position)
        parts: list[bytes] = []
        while remaining > 0:
            if not self._start <= self._position < self._start + len(self._buffered):
                self._fetch()
            offset = self._position - self._start
            part = self._buffered[offset : offset + remaining]
            parts.append(part)
            self._position += len(part)
            remaining -= len(part)
        return b"".join(parts)

    def _fetch(self) -> None:
        length = min(RANGE_BYTES, self._info.size - self._position)
        try:
            self._buffered = self._client.download_blob(
                self._info.name,
                offset=self._position,
                length=length,
                etag=self._info.etag,
                match_condition=MatchConditions.IfNotModified,
            ).readall()
        except ResourceModifiedError:
            raise DamagedError(f"The blob {self._info.name} changed while it was read", "Start a new run") from None
        self._start = self._position
