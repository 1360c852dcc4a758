"""Writing on several threads."""

import threading

import pytest

from frame_tools.write_pool import WritePool


def test_end_waits_for_all_writes() -> None:
    written: list[int] = []
    with WritePool(2, "write") as pool:
        for number in range(20):
            pool.submit(lambda number=number: written.append(number))  # type: ignore[misc]
    assert sorted(written) == list(range(20))


def test_number_of_pending_writes_is_bounded() -> None:
    returned, seen = threading.Event(), list[bool]()
    with WritePool(1, "write") as pool:
        pool.submit(lambda: seen.append(returned.wait(0.2)))
        pool.submit(lambda: None)
        pool.submit(lambda: None)
        returned.set()
    assert seen == [False], "the third waits for the first"


def fail() -> None:
    raise OSError("no space left")


def test_error_is_raised_by_a_later_call() -> None:
    with WritePool(1, "write") as pool:
        pool.submit(fail)
        pool.submit(lambda: None)
        with pytest.raises(OSError, match="no space"):
            pool.submit(lambda: None)


def test_error_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="no space"), WritePool(1, "write") as pool:
        pool.submit(fail)


def test_error_of_the_caller_drops_what_has_not_begun() -> None:
    begun, never = threading.Event(), threading.Event()
    written: list[int] = []

    def wait() -> None:
        begun.set()
        never.wait(0.2)

    def write_and_fail() -> None:
        with WritePool(1, "write") as pool:
            pool.submit(wait)
            begun.wait(60)
            pool.submit(lambda: written.append(1))
            raise ValueError("of the caller")

    with pytest.raises(ValueError, match="of the caller"):
        write_and_fail()
    assert written == []
