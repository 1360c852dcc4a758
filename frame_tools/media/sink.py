"""A file object for a muxer over storage that takes numbered blocks: a large file without a disk, in flat memory.

Block storage can't be changed behind the writer, but both muxers come back to the front of the file when they
finish. Read in libavformat and tried with PyAV 18.1's custom IO:

- MP4 (movenc.c) with `moov_size` leaves a hole behind the `ftyp` box, then writes `mdat`. At the end it fills the
  hole with the index and writes the length of `mdat`, 16 bytes at most right behind the hole.
- Matroska (matroskaenc.c) writes its clusters whole; at the end it appends the cues, and goes back for the length of
  the segment, the seek head, the duration and the tags with each track's duration, all before the first cluster.

So the head of the file stays in memory: one block, or as much as a hole needs. Everything behind it is handed over as
blocks fill; the head is handed over last, then the list of all blocks.
"""

import io
from collections.abc import Sequence
from typing import Final, Protocol

from frame_tools.contracts.errors import InternalError

BLOCK_BYTES: Final = 4 * 2**20
# What the muxer may write again right behind a hole.
_BEHIND_HOLE: Final = 4096


class BlockTarget(Protocol):
    """Where blocks go. Block ids of one file have equal lengths, as block storage asks."""

    def stage(self, block_id: str, data: bytes) -> None:
        """Keep a block; staging an id again replaces it."""

    def commit(self, block_ids: Sequence[str]) -> None:
        """Make the file visible: the named blocks in this order."""


class BlockSink:
    """Writes a file of blocks of `block_bytes` (the first may be longer, the last shorter); not thread-safe.

    Memory holds the head and one block. Nothing is visible before `commit`.
    """

    def __init__(self, target: BlockTarget, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._target = target
        self._block_bytes = block_bytes
        self._head = bytearray()
        self._head_limit = block_bytes
        self._block = bytearray()
        self._blocks = 0
        self._handed_over = 0
        self._position = 0

    def tell(self) -> int:
        """Return the position from the file's start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; behind the end only while the file is no longer than its head.

        Raises InternalError for a hole farther back, which block storage can't fill later.
        """
        end = self._end
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: end}[whence]
        if position > end:
            if self._handed_over or self._block:
                raise InternalError(
                    f"The muxer left a hole at byte {end}", "Only one hole, near the file's start, can be filled."
                )
            self._head_limit = max(self._head_limit, position + _BEHIND_HOLE)
            self._head.extend(bytes(position - end))
        self._position = position
        return position

    def write(self, data: bytes) -> int:
        """Write all of `data` at the position: into the head, or at the end.

        Raises InternalError if bytes that were handed over would have to change.
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
                    f"The muxer goes back to byte {self._position}, behind the file's head",
                    f"Write with blocks larger than {self._block_bytes} bytes.",
                )
            self._append(rest)
        return len(data)

    def commit(self) -> int:
        """Hand over the last block and the head, then the list; returns the file's length in bytes."""
        if self._block:
            self._hand_over()
        self._target.stage(_block_id(0), bytes(self._head))
        self._target.commit([_block_id(number) for number in range(self._blocks + 1)])
        return self._end

    @property
    def _end(self) -> int:
        return len(self._head) + self._handed_over + len(self._block)

    def _append(self, data: memoryview) -> None:
        while data:
            part = data[: self._block_bytes - len(self._block)]
            self._block += part
            self._position += len(part)
            data = data[len(part) :]
            if len(self._block) == self._block_bytes:
                self._hand_over()

    def _hand_over(self) -> None:
        self._blocks += 1
        self._target.stage(_block_id(self._blocks), bytes(self._block))
        self._handed_over += len(self._block)
        self._block.clear()


def _block_id(number: int) -> str:
    return f"{number:06d}"
