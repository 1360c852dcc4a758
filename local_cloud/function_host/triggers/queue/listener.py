"""The queue listener: polls one queue and runs as many messages at a time as host.json allows.

After an empty response it waits 100 ms, then exponentially longer (with 20 % jitter) up to the maximum polling
interval; a message or a wake-up resets the wait. A storage failure counts as an empty response.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Common, QueueListener.cs
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.storage.clients import short_error
from local_cloud.function_host.storage.messages import Encoding, Message, UndecodableMessageError
from local_cloud.function_host.triggers.queue.duplicate_delivery import DuplicateDelivery
from local_cloud.function_host.triggers.queue.message_lease import LeaseRules, MessageLease

_MIN_PAUSE_SECONDS = 0.1
_log = logging.getLogger(__name__)

Handler = Callable[[Message], Awaitable[bool]]
"""Handles one delivery; returns whether it succeeded."""


@dataclass(frozen=True)
class PollRules:
    """How a listener polls; see host_json.Queues."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    encoding: Encoding


class QueueListener:
    """Listens to one queue until it is stopped."""

    def __init__(
        self,
        queue: QueueClient,
        handle: Handler,
        *,
        poll: PollRules,
        lease: LeaseRules,
        wake: asyncio.Event,
        duplicates: DuplicateDelivery | None = None,
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._poll = poll
        self._lease_rules = lease
        self._wake = wake
        self._duplicates = duplicates
        self._concurrency = asyncio.Semaphore(poll.batch_size + poll.new_batch_threshold)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Receive and dispatch messages until `stopping` is set; return when all received messages are completed."""
        pause = _MIN_PAUSE_SECONDS
        while not stopping.is_set():
            self._wake.clear()
            if batch := await self._receive():
                pause = _MIN_PAUSE_SECONDS
                self._start(batch)
                while len(self._in_flight) > self._poll.new_batch_threshold:
                    await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
            elif await wait_for_any(self._wake, stopping, timeout=pause):
                pause = _MIN_PAUSE_SECONDS
            else:
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - keeps hosts from polling in lockstep, not a secret
                pause = min(self._poll.max_polling_interval.total_seconds(), pause * 2 * spread)
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _receive(self) -> list[QueueMessage]:
        size = self._poll.batch_size
        hidden = int(self._lease_rules.invisibility.total_seconds())
        pages = self._queue.receive_messages(messages_per_page=size, max_messages=size, visibility_timeout=hidden)
        batch: list[QueueMessage] = []
        try:
            with suppress(ResourceNotFoundError):  # the first message to it creates it
                async for message in pages:
                    batch.append(message)  # noqa: PERF401 - messages before an error are dequeued and must be handled
        except AzureError as error:
            _log.warning("Queue %s cannot be read, retrying: %s", self._queue.queue_name, short_error(error))
        return batch

    def _start(self, batch: list[QueueMessage]) -> None:
        accepted: list[tuple[MessageLease, Message]] = []
        for raw in batch:
            lease = MessageLease(self._queue, raw, rules=self._lease_rules, wake=self._wake)
            try:
                message = Message.received(raw, self._poll.encoding)
            except UndecodableMessageError as error:
                _start_task(self._in_flight, lease.reject(str(error)))
                continue
            if self._lease_rules.poison is not None and message.dequeue_count > self._lease_rules.max_dequeue_count:
                _start_task(self._in_flight, lease.reject(f"dequeued {message.dequeue_count} times without completing"))
                continue
            accepted.append((lease, message))
        chains = [(item, 1) for item in accepted] if self._duplicates is None else self._duplicates.plan(accepted)
        for (lease, _), length in chains:
            lease.expect_deliveries(length)
        for lease, _ in accepted:
            _start_task(self._in_flight, lease.hold_until_done())
        for (lease, message), length in chains:
            _start_task(self._deliveries, self._deliver(lease, message, times=length))

    async def _deliver(self, lease: MessageLease, message: Message, *, times: int) -> None:
        for _ in range(times):
            async with self._concurrency:
                lease.record_delivery(ok=await self._handled(message))

    async def _handled(self, message: Message) -> bool:
        try:
            return await self._handle(message)
        except Exception:
            # Without an outcome the lease would be renewed forever and the message would never come again.
            _log.exception("Message %s on %s could not be handled", message.id, self._queue.queue_name)
            return False


def _start_task(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
