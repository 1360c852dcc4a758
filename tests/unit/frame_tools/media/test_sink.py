"""`BlockSink` writes the same file as a disk, in constant memory, and rejects what block storage can't do."""

import io
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InternalError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.join import join
from frame_tools.media.sink import BlockSink
from tests.support.clips import draw
from tests.support.media import segments_of


class Blocks:
    """An in-memory block target."""

    def __init__(self) -> None:
        self.staged: dict[str, bytes] = {}
        self.order: list[str] = []
        self.file: bytes | None = None

    def stage(self, block_id: str, data: bytes) -> None:
        self.staged[block_id] = data
        self.order.append(block_id)

    def commit(self, block_ids: Sequence[str]) -> str:
        self.file = b"".join(self.staged[block_id] for block_id in block_ids)
        return "etag"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("block_bytes", [16_384, 40_000, 4 * 2**20])
def test_joined_video_equals_one_on_disk(container: str, block_bytes: int) -> None:
    size = (160, 120)
    manifest = Manifest.plain(40, Fraction(25), width=160, height=120).model_copy(update={"container": container})
    segments = segments_of(manifest, [draw(number * 25, size) for number in range(40)], [0, 10, 20, 30])
    disk, blocks = io.BytesIO(), Blocks()
    join(manifest, segments, audio=None, out=disk)
    sink = BlockSink(blocks, block_bytes=block_bytes)
    report = join(manifest, segments, audio=None, out=sink)
    assert blocks.file is None
    assert sink.commit().size == report.bytes == len(disk.getvalue())
    assert blocks.file == disk.getvalue()
    assert blocks.order[-1] == min(blocks.order)
    assert len({len(block_id) for block_id in blocks.order}) == 1


@given(
    gap=st.integers(0, 300),
    head=st.binary(max_size=100),
    body=st.lists(st.binary(max_size=200), max_size=40),
    patch=st.binary(max_size=16),
    block_bytes=st.integers(20, 150),
)
def test_any_writes_with_one_gap_and_a_patch(
    gap: int, head: bytes, body: list[bytes], patch: bytes, block_bytes: int
) -> None:
    disk, blocks = io.BytesIO(), Blocks()
    sink = BlockSink(blocks, block_bytes=block_bytes)
    for file in (disk, sink):
        file.write(head[:block_bytes])
        file.seek(gap, io.SEEK_CUR)
        for part in body:
            file.write(part)
        end = file.tell()
        file.seek(0)
        file.write(patch)
        file.seek(max(end, len(patch)))
    length = sink.commit().size
    expected = disk.getvalue()
    assert blocks.file is not None
    assert blocks.file[: len(expected)] == expected
    assert length == len(blocks.file)
    assert not any(blocks.file[len(expected) :])
    assert all(len(blocks.staged[block_id]) == block_bytes for block_id in blocks.order[:-2])


def test_staged_bytes_cannot_change() -> None:
    sink = BlockSink(Blocks(), block_bytes=100)
    sink.write(bytes(350))
    sink.seek(99)
    sink.write(b"x")
    with pytest.raises(InternalError, match="byte 100"):
        sink.write(b"x")


def test_late_gap_is_rejected() -> None:
    sink = BlockSink(Blocks(), block_bytes=100)
    sink.write(bytes(101))
    with pytest.raises(InternalError, match="byte 101"):
        sink.seek(500)


def test_memory_is_bounded_by_head_and_one_block() -> None:
    sink = BlockSink(Blocks(), block_bytes=1000)
    largest = 0
    for _ in range(500):
        sink.write(bytes(333))
        largest = max(largest, len(sink._head) + len(sink._block))
    assert largest <= 2000


def test_two_writers_of_one_file_share_no_blocks() -> None:
    blocks = Blocks()
    one, two = BlockSink(blocks, block_bytes=8), BlockSink(blocks, block_bytes=8)
    for part in range(4):
        one.write(b"%d" % part * 8)
        two.write(b"x" * 8)
    one.commit()
    assert blocks.file == b"00000000111111112222222233333333"


def test_stored_file_is_compared_block_by_block() -> None:
    blocks = Blocks()
    sink = BlockSink(blocks, block_bytes=100)
    data = bytes(range(256)) * 2
    sink.write(data)
    committed = sink.commit()
    assert (committed.size, committed.etag, len(committed.sha256)) == (512, "etag", 64)
    assert sink.is_equal_to(io.BytesIO(data))
    for other in (data[:-1], data + b"x", b"x" + data[1:], data[:-1] + b"x", b""):
        assert not sink.is_equal_to(io.BytesIO(other))
