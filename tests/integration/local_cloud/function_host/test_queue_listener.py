"""The queue listener alone: leases, completion, poison, limits and storage failures."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest
from azure.storage.queue.aio import QueueClient

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.config.settings import read_settings
from local_cloud.function_host.storage.clients import Storage
from local_cloud.function_host.storage.messages import Message, encode
from local_cloud.function_host.triggers.queue.duplicate_delivery import DuplicateDelivery
from local_cloud.function_host.triggers.queue.listener import PollRules, QueueListener
from local_cloud.function_host.triggers.queue.message_lease import LeaseRules
from tests.integration.local_cloud.function_host.host_environment import Azurite, HostEnvironment, connection_string

POLL = PollRules(
    batch_size=4, new_batch_threshold=2, max_polling_interval=timedelta(milliseconds=200), encoding="base64"
)
LEASE = LeaseRules(invisibility=timedelta(seconds=2), visibility_timeout=timedelta(0), max_dequeue_count=3, poison=None)


class ListenerBench:
    """A queue, its listener, and the messages that its handler and its poison callback received."""

    def __init__(self, environment: HostEnvironment) -> None:
        self.name = f"{environment.prefix}-bench"
        self.source = environment.queue(self.name, plain=True)
        self.received: list[Message] = []
        self.poisoned: list[str] = []
        self.stopping = asyncio.Event()
        self.changed = asyncio.Event()
        self.wake = asyncio.Event()

    async def poison(self, text: str) -> None:
        self.poisoned.append(text)
        self.changed.set()

    def put(self, *bodies: str) -> None:
        for body in bodies:
            self.source.send_message(encode(body.encode(), "base64"))

    def is_empty(self) -> bool:
        return self.source.get_queue_properties().approximate_message_count == 0

    @asynccontextmanager
    async def listening(
        self,
        connection: str,
        answer: Callable[[Message], Awaitable[bool]],
        *,
        lease: LeaseRules | None = None,
        duplicates: DuplicateDelivery | None = None,
    ) -> AsyncIterator[None]:
        async def handle(message: Message) -> bool:
            self.received.append(message)
            self.changed.set()
            return await answer(message)

        async with QueueClient.from_connection_string(connection, self.name, retry_total=0) as queue:
            listener = QueueListener(
                queue,
                handle,
                poll=POLL,
                lease=lease or replace(LEASE, poison=self.poison),
                wake=self.wake,
                duplicates=duplicates,
            )
            running = asyncio.create_task(listener.run(self.stopping))
            try:
                yield
            finally:
                self.stopping.set()
                await asyncio.wait_for(running, 20)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)
                self.changed.clear()


@pytest.fixture
def bench(environment: HostEnvironment) -> ListenerBench:
    return ListenerBench(environment)


async def succeed(_: Message) -> bool:
    return True


async def fail(_: Message) -> bool:
    return False


def test_long_call_keeps_message_hidden(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def long(_: Message) -> bool:
        await asyncio.sleep(3.5)  # longer than the first invisibility of two seconds
        return True

    async def run() -> None:
        bench.put("long")
        async with bench.listening(azurite_for_host.connection_string, long):
            await bench.until(bench.is_empty)

    asyncio.run(run())
    assert [message.body for message in bench.received] == [b"long"]
    assert bench.received[0].dequeue_count == 1


def test_failing_message_is_retried_then_poisoned(
    bench: ListenerBench, azurite_for_host: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        bench.put("bad")
        async with bench.listening(azurite_for_host.connection_string, fail):
            await bench.until(lambda: bool(bench.poisoned) and bench.is_empty())

    asyncio.run(run())
    assert [message.dequeue_count for message in bench.received] == [1, 2, 3]
    assert bench.poisoned == [encode(b"bad", "base64")]
    assert "it has failed 3 times" in caplog.text


def test_exception_of_handler_counts_as_failure(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def broken(_: Message) -> bool:
        raise RecursionError

    async def run() -> None:
        bench.put("deep")
        async with bench.listening(azurite_for_host.connection_string, broken):
            await bench.until(lambda: bool(bench.poisoned) and bench.is_empty())

    asyncio.run(run())
    assert [message.dequeue_count for message in bench.received] == [1, 2, 3]


def test_failed_message_without_poison_queue_stays_hidden(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def run() -> None:
        bench.put("bad")
        lease = replace(LEASE, invisibility=timedelta(minutes=1))
        async with bench.listening(azurite_for_host.connection_string, fail, lease=lease):
            await bench.until(lambda: bool(bench.received))
            bench.put("marker")
            await bench.until(lambda: bench.received[-1].body == b"marker")

    asyncio.run(run())
    assert [message.body for message in bench.received] == [b"bad", b"marker"]
    assert not bench.is_empty()


def test_non_base64_message_is_poisoned_unchanged(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def run() -> None:
        bench.source.send_message("plain text!")
        async with bench.listening(azurite_for_host.connection_string, succeed):
            await bench.until(lambda: bool(bench.poisoned) and bench.is_empty())

    asyncio.run(run())
    assert bench.poisoned == ["plain text!"]
    assert not bench.received


def test_message_dequeued_too_often_is_poisoned(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def run() -> None:
        bench.put("crasher")
        for _ in range(3):  # as if hosts had taken it and died
            (taken,) = bench.source.receive_messages(visibility_timeout=1, max_messages=1)
            bench.source.update_message(taken, visibility_timeout=0)
        async with bench.listening(azurite_for_host.connection_string, succeed):
            await bench.until(lambda: bool(bench.poisoned) and bench.is_empty())

    asyncio.run(run())
    assert not bench.received


def test_stale_receipt_is_ignored(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def steal(message: Message) -> bool:
        if message.dequeue_count == 1:  # another client renews, so the receipt becomes stale
            bench.source.update_message(message.id, message.pop_receipt, visibility_timeout=1)
        return True

    async def run() -> None:
        bench.put("stolen")
        lease = replace(LEASE, invisibility=timedelta(minutes=1), poison=bench.poison)
        async with bench.listening(azurite_for_host.connection_string, steal, lease=lease):
            await bench.until(bench.is_empty)

    asyncio.run(run())
    assert [message.dequeue_count for message in bench.received] == [1, 2]


def test_sending_wakes_listener(
    bench: ListenerBench, environment: HostEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing = asyncio.Event()

    async def wait(*events: asyncio.Event, timeout: float) -> bool:
        pausing.set()
        return await wait_for_any(*events, timeout=timeout)

    monkeypatch.setattr("local_cloud.function_host.triggers.queue.listener.wait_for_any", wait)
    monkeypatch.setattr(
        "local_cloud.function_host.triggers.queue.listener._MIN_PAUSE_SECONDS", 600.0
    )  # without being woken it would not look again

    def received_last(body: bytes) -> bool:
        return bool(bench.received) and bench.received[-1].body == body

    async def run() -> None:
        storage = Storage(read_settings(environment.app, environment.env))
        bench.wake = storage.wake("Data", bench.name)
        async with bench.listening(environment.azurite.connection_string, succeed):
            for body in (b"one", b"two"):
                await asyncio.wait_for(pausing.wait(), 20)
                pausing.clear()
                await storage.send("Data", bench.name, encode(body, "base64"))
                await bench.until(partial(received_last, body))
        await storage.close()

    asyncio.run(run())


def test_concurrency_limit(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    running, most = 0, 0
    gate = asyncio.Event()

    async def count(_: Message) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return True

    async def run() -> None:
        bench.put(*(f"m{number}" for number in range(12)))
        async with bench.listening(azurite_for_host.connection_string, count):
            await bench.until(lambda: len(bench.received) == 4)
            gate.set()
            await bench.until(bench.is_empty)

    asyncio.run(run())
    assert len(bench.received) == 12
    assert 4 <= most <= 6


def test_one_failed_duplicate_fails_message(bench: ListenerBench, azurite_for_host: Azurite) -> None:
    async def fail_at_first(_: Message) -> bool:
        return len(bench.received) > 1

    async def run() -> None:
        bench.put("one")
        async with bench.listening(
            azurite_for_host.connection_string, fail_at_first, duplicates=DuplicateDelivery(1, "q")
        ):
            await bench.until(bench.is_empty)

    asyncio.run(run())
    assert bench.received.count(bench.received[0]) > 1
    assert {message.dequeue_count for message in bench.received} == {1, 2}


class FaultyProxy:
    """A proxy to Azurite: `reset` drops connections, `busy` answers 503, `forward` passes requests on."""

    def __init__(self, url: str) -> None:
        self.mode = "forward"
        self.refused = 0
        parts = urlsplit(url)
        self._target = parts.hostname, parts.port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode != "forward":
            self.refused += 1
            await reader.read(1)
            if self.mode == "busy":
                writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            with suppress(ConnectionError):
                await writer.drain()
            writer.transport.abort() if self.mode == "reset" else writer.close()
            return
        other_reader, other_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._pass(reader, other_writer), self._pass(other_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.mark.parametrize("mode", ["reset", "busy"])
def test_listener_survives_storage_failure(
    bench: ListenerBench, azurite_for_host: Azurite, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        proxy = FaultyProxy(azurite_for_host.queue_url)
        proxy.mode = mode
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = connection_string(azurite_for_host.blob_url, f"http://127.0.0.1:{port}")
        bench.put("patient")
        async with server, bench.listening(connection, succeed):
            await bench.until(lambda: proxy.refused >= 2)
            assert not bench.received
            proxy.mode = "forward"
            await bench.until(lambda: bool(bench.received) and bench.is_empty())

    asyncio.run(run())
    assert [message.body for message in bench.received] == [b"patient"]
    warnings = [record for record in caplog.records if "cannot be read" in record.message]
    assert warnings
    assert all("\n" not in record.message for record in warnings)
