"""Reading in advance keeps the order and the bound on memory, and stops with its caller."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from frame_tools.storage.blobs import Blob
from frame_tools.storage.in_memory import InMemoryContainer
from frame_tools.storage.read_ahead import MOST_BYTES, NeededBlob, read_ahead
from tests.support.interception import intercept
from tests.support.waiting import until

READERS = 4


class ParallelContainer(InMemoryContainer):
    """A container that allows several reads at a time."""

    @property
    def readers(self) -> int:
        return READERS


def container(count: int, kind: type[InMemoryContainer] = ParallelContainer) -> InMemoryContainer:
    stored = kind("work")
    for number in range(count):
        stored.write(f"{number}", b"%d" % number)
    return stored


def needed(sizes: Iterator[int] | list[int], limit: int = 10) -> Iterator[NeededBlob]:
    return (NeededBlob(f"{number}", size, limit) for number, size in enumerate(sizes))


@pytest.mark.parametrize("kind", [ParallelContainer, InMemoryContainer])
@pytest.mark.parametrize("size", [1, MOST_BYTES // 3, MOST_BYTES, 5 * MOST_BYTES])
def test_blobs_come_in_order_whatever_their_size(kind: type[InMemoryContainer], size: int) -> None:
    stored = container(20, kind)
    stored.delete("7")
    data = [blob.data if blob else None for blob in read_ahead(stored, needed([size] * 20))]
    assert data == [None if number == 7 else b"%d" % number for number in range(20)]


def test_limit_holds() -> None:
    stored = container(0)
    stored.write("0", b"123456789")
    (blob,) = read_ahead(stored, needed([9], limit=3))
    assert blob is not None
    assert blob.data == b"1234"


def reads_before_first_use(sizes: list[int], expected: int) -> int:
    """Return how many reads begin before the first blob can be used, which waits for those that are expected."""
    begun, release = list[str](), threading.Event()

    def read(original: Callable[..., Blob | None], name: str, **options: Any) -> Blob | None:
        begun.append(name)
        if name == "0":
            assert release.wait(timeout=60)
        return original(name, **options)

    blobs = read_ahead(intercept(container(len(sizes)), read=read), needed(sizes))
    first = threading.Thread(target=lambda: next(blobs))
    first.start()
    until(lambda: len(begun) >= expected)
    release.set()
    first.join()
    blobs.close()
    return len(begun)


@pytest.mark.parametrize(
    ("sizes", "begun"),
    [
        ([1] * 9, READERS),
        ([MOST_BYTES // 2] * 9, 2),
        ([MOST_BYTES + 1] * 9, 1),
        ([1, MOST_BYTES, 1], 1),
    ],
    ids=["number", "bytes", "large", "large behind a small one"],
)
def test_reads_in_advance_are_bounded(sizes: list[int], begun: int) -> None:
    assert reads_before_first_use(sizes, begun) == begun


def test_error_of_a_read_is_raised_where_its_blob_is_used() -> None:
    def read(original: Callable[..., Blob | None], name: str, **options: Any) -> Blob | None:
        if name == "2":
            raise OSError(name)
        return original(name, **options)

    blobs = read_ahead(intercept(container(9), read=read), needed([1] * 9))
    assert [blob.data for blob in itertools.islice(blobs, 2) if blob] == [b"0", b"1"]
    with pytest.raises(OSError, match="2"):
        next(blobs)


def test_nothing_is_read_after_its_caller_stops() -> None:
    names: list[str] = []

    def read(original: Callable[..., Blob | None], name: str, **options: Any) -> Blob | None:
        names.append(name)
        return original(name, **options)

    blobs = read_ahead(intercept(container(99), read=read), needed([1] * 99))
    next(blobs)
    blobs.close()
    assert len(names) <= 1 + READERS
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader")]
