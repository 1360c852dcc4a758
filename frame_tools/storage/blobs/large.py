"""Blobs that are too large to hold: written block by block and committed once, read range by range."""

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
    """Stages blocks of a new blob and commits their list once (If-None-Match: *).

    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """

    def __init__(self, client: ContainerClient, name: str) -> None:
        self._client = client.get_blob_client(name)

    def stage(self, block_id: str, data: bytes) -> None:
        """Send one block; nothing is visible yet. Ids of one blob have equal length."""
        self._client.stage_block(base64.b64encode(block_id.encode()).decode(), data)

    def commit(self, block_ids: Sequence[str]) -> None:
        """Make the blob of these blocks, in this order; raises AlreadyThereError if the name is taken."""
        try:
            self._client.commit_block_list(
                [BlobBlock(block_id=base64.b64encode(i.encode()).decode()) for i in block_ids],
                match_condition=MatchConditions.IfMissing,
            )
        except (ResourceExistsError, ResourceModifiedError):
            raise AlreadyThereError(str(self._client.blob_name)) from None


class AlreadyThereError(Exception):
    """The blob was committed by somebody else before."""


class RangedReader(io.RawIOBase):
    """A blob as a seekable file that keeps one range of 4 MiB in memory."""

    def __init__(self, client: ContainerClient, info: BlobInfo) -> None:
        super().__init__()
        self._client = client
        self._info = info
        self._position = 0
        self._start = 0
        self._held = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can seek."""
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
        """Fill `buffer` from the position on; returns how many bytes, 0 at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes (all that is left for -1) from the position on."""
        wanted = self._info.size - self._position if size < 0 else min(size, self._info.size - self._position)
        parts: list[bytes] = []
        while wanted > 0:
            if not self._start <= self._position < self._start + len(self._held):
                self._fetch()
            offset = self._position - self._start
            part = self._held[offset : offset + wanted]
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _fetch(self) -> None:
        length = min(RANGE_BYTES, self._info.size - self._position)
        try:
            self._held = self._client.download_blob(
                self._info.name,
                offset=self._position,
                length=length,
                etag=self._info.etag,
                match_condition=MatchConditions.IfNotModified,
            ).readall()
        except ResourceModifiedError:
            raise DamagedError(f"The blob {self._info.name} changed while it was read", "Start the run anew") from None
        self._start = self._position
