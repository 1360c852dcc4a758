"""Hints about writes: the listeners of that queue or container wake, and nothing else happens."""

import asyncio
import socket

import pytest

from local_cloud.function_host.storage.hints import WriteHints

SENDER = ("127.0.0.1", 1)


def test_wakes_all_listeners_of_the_name() -> None:
    hints, first, second, other = WriteHints(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    hints.subscribe("queue", "frame-batches", first)
    hints.subscribe("queue", "frame-batches", second)
    hints.subscribe("container", "frame-batches", other)
    hints.datagram_received(b"queue frame-batches", SENDER)
    assert (first.is_set(), second.is_set(), other.is_set()) == (True, True, False)


@pytest.mark.parametrize(
    "datagram", [b"", b"queue", b"queue ", b"table name", b"queue \xff", b"queue name x", b"x" * 9000]
)
def test_ignores_what_is_no_hint(datagram: bytes) -> None:
    hints, event = WriteHints(), asyncio.Event()
    hints.subscribe("queue", "name", event)
    hints.datagram_received(datagram, SENDER)
    assert not event.is_set()


def test_listens_on_its_port_until_closed() -> None:
    async def receive() -> None:
        hints, event = WriteHints(), asyncio.Event()
        hints.subscribe("container", "triggers", event)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            port = sender.getsockname()[1]
        await hints.listen(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"container triggers", ("127.0.0.1", port))
        await event.wait()
        hints.close()

    asyncio.run(receive())


def test_goes_on_without_a_port(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        asyncio.run(WriteHints().listen(taken.getsockname()[1]))
    assert "only poll" in caplog.text
