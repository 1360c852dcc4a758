"""Seekable file object for a muxer on top of block storage: writes a large file without a disk, in constant memory.

Blocks can't be changed once staged, but both muxers return to the front of the file when they finish. Read in
libavformat and verified with PyAV 18.1's custom IO:

- MP4 (movenc.c) with `moov_size` leaves a gap after the `ftyp` box, then writes `mdat`. At the end it fills the gap
  with the index and writes the length of `mdat`, at most 16 bytes directly after the gap.
- Matroska (matroskaenc.c) writes complete clusters; at the end it appends the cues, and goes back to write the length
  of the segment, the seek head, the duration and the tags with each track's duration, all before the first cluster.

So the head of the file stays in memory: one block, or as much as the gap needs. The rest is staged as blocks fill up;
the head is staged last, then the list of all blocks is committed.
"""

import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from frame_tools.contracts.errors import InternalError
from frame_tools.media.containers import ByteSource

BLOCK_BYTES: Final = 4 * 2**20
# Bytes after the gap that the muxer may write again.
_REWRITE_MARGIN: Final = 4096


class BlockTarget(Protocol):
    """Block storage. All block ids of one file have the same length, as block storage requires."""

    def stage(self, block_id: str, data: bytes) -> None:
        """Store a block; staging an id again replaces it."""

    def commit(self, block_ids: Sequence[str]) -> str:
        """Make the file visible as the given blocks in this order; returns the ETag."""


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A committed file: its length in bytes, its ETag, and the SHA-256 of the SHA-256 of each block, in order."""

    size: int
    etag: str
    sha256: str


class BlockSink:
    """Writes a file in blocks of `block_bytes` (the first may be longer, the last shorter). Not thread-safe.

    Memory holds the head and one block. Nothing is visible before `commit`.
    """

    def __init__(self, target: BlockTarget, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._target = target
        self._block_bytes = block_bytes
        self._head = bytearray()
        self._head_limit = block_bytes
        # Two writers of one file share its uncommitted blocks, so each has ids of its own.
        self._writer = secrets.token_hex(8)
        self._block = bytearray()
        self._staged_blocks = 0
        self._staged_bytes = 0
        self._digests: list[bytes] = []
        self._position = 0

    def tell(self) -> int:
        """Return the position from the file's start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; past the end only while the whole file is still in the head.

        Raises InternalError for a gap farther back, which block storage can't fill later.
        """
        end = self._end
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end}[whence]
        if position > end:
            if self._staged_bytes or self._block:
                raise InternalError(
                    f"The muxer left a gap at byte {end}",
                    "Report this error; only a gap near the start is supported.",
                )
            self._head_limit = max(self._head_limit, position + _REWRITE_MARGIN)
            self._head.extend(bytes(position - end))
        self._position = position
        return position

    def write(self, data: bytes) -> int:
        """Write all of `data` at the position: into the head, or at the end.

        Raises InternalError if that would change bytes that are already staged.
        """
        rest = memoryview(data)
        if self._position < self._head_limit:
            part = rest[: self._head_limit - self._position]
            self._head[self._position : self._position + len(part)] = part
            self._position += len(part)
            rest = rest[len(part) :]
        if rest:
            if self._position != self._end:
                raise InternalError(
                    f"The muxer returned to byte {self._position}, past the file's head",
                    f"Use blocks larger than {self._block_bytes} bytes.",
                )
            self._append(rest)
        return len(data)

    def commit(self) -> CommittedFile:
        """Stage the last block and the head, then commit the file; raises what the target does."""
        if self._block:
            self._stage_block()
        self._target.stage(self._block_id(0), bytes(self._head))
        etag = self._target.commit([self._block_id(number) for number in range(self._staged_blocks + 1)])
        return self.description(etag)

    def description(self, etag: str) -> CommittedFile:
        """Describe the written file, which is stored with this ETag."""
        head = hashlib.sha256(self._head).digest()
        digest = hashlib.sha256(b"".join((head, *self._digests))).hexdigest()
        return CommittedFile(self._end, etag, digest)

    def is_equal_to(self, stored: ByteSource) -> bool:
        """Return whether a stored file has the same bytes; call it after `commit` has staged everything."""
        if stored.seek(0, io.SEEK_END) != self._end:
            return False
        stored.seek(0)
        if stored.read(len(self._head)) != self._head:
            return False
        return all(hashlib.sha256(stored.read(self._block_bytes)).digest() == digest for digest in self._digests)

    @property
    def _end(self) -> int:
        return len(self._head) + self._staged_bytes + len(self._block)

    def _append(self, data: memoryview) -> None:
        while data:
            part = data[: self._block_bytes - len(self._block)]
            self._block += part
            self._position += len(part)
            data = data[len(part) :]
            if len(self._block) == self._block_bytes:
                self._stage_block()

    def _stage_block(self) -> None:
        self._staged_blocks += 1
        self._target.stage(self._block_id(self._staged_blocks), bytes(self._block))
        self._staged_bytes += len(self._block)
        self._digests.append(hashlib.sha256(self._block).digest())
        self._block.clear()

    def _block_id(self, number: int) -> str:
        return f"{self._writer}-{number:06d}"
