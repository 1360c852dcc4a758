"""The queue listener: polls one queue and hands its messages to a handler, so many at a time as host.json allows.

It pauses 100 ms after an empty answer, then longer and longer (give or take 20 %) up to the longest polling interval; a
message, or being woken, brings it back to the start. Storage that fails is only another reason to pause.
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

from local_cloud.function_host.message_hold import HoldRules, MessageHold
from local_cloud.function_host.messages import Encoding, Message, UndecodableMessageError
from local_cloud.function_host.mischief import Mischief
from local_cloud.function_host.storage import in_short
from local_cloud.function_host.waiting import wait_for_any

_SHORTEST_PAUSE = 0.1
_log = logging.getLogger(__name__)

Handler = Callable[[Message], Awaitable[bool]]
"""Handles one delivery; whether it succeeded."""


@dataclass(frozen=True)
class PollRules:
    """How a listener reads: see host_json.Queues."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    encoding: Encoding


class QueueListener:
    """Listens to one queue until told to stop."""

    def __init__(
        self,
        queue: QueueClient,
        handle: Handler,
        *,
        poll: PollRules,
        hold: HoldRules,
        wake: asyncio.Event,
        mischief: Mischief | None = None,
    ) -> None:
        self._queue = queue
        self._handle = handle
        self._poll = poll
        self._hold = hold
        self._wake = wake
        self._mischief = mischief
        self._room = asyncio.Semaphore(poll.batch_size + poll.new_batch_threshold)
        self._in_hand: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Take and hand over messages until `stopping`; returns when those in hand are settled."""
        pause = _SHORTEST_PAUSE
        while not stopping.is_set():
            self._wake.clear()
            if batch := await self._receive():
                pause = _SHORTEST_PAUSE
                self._start(batch)
                while len(self._in_hand) > self._poll.new_batch_threshold:
                    await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
            elif await wait_for_any(self._wake, stopping, timeout=pause):
                pause = _SHORTEST_PAUSE
            else:
                spread = random.uniform(0.8, 1.2)  # noqa: S311 - keeps hosts from polling in step, no secret
                pause = min(self._poll.max_polling_interval.total_seconds(), pause * 2 * spread)
        if self._in_hand:
            await asyncio.wait(self._in_hand)

    async def _receive(self) -> list[QueueMessage]:
        size = self._poll.batch_size
        hidden = int(self._hold.invisibility.total_seconds())
        pages = self._queue.receive_messages(messages_per_page=size, max_messages=size, visibility_timeout=hidden)
        batch: list[QueueMessage] = []
        try:
            with suppress(ResourceNotFoundError):  # made by the first message to it
                async for message in pages:
                    batch.append(message)  # noqa: PERF401 - what came before an error is in hand and must be handled
        except AzureError as error:
            _log.warning("Queue %s cannot be read, trying again: %s", self._queue.queue_name, in_short(error))
        return batch

    def _start(self, batch: list[QueueMessage]) -> None:
        accepted: list[tuple[MessageHold, Message]] = []
        for raw in batch:
            hold = MessageHold(self._queue, raw, rules=self._hold, wake=self._wake)
            try:
                message = Message.received(raw, self._poll.encoding)
            except UndecodableMessageError as error:
                _spawn(self._in_hand, hold.reject(str(error)))
                continue
            if self._hold.poison is not None and message.dequeue_count > self._hold.max_dequeue_count:
                _spawn(self._in_hand, hold.reject(f"taken {message.dequeue_count} times without an end"))
                continue
            accepted.append((hold, message))
        chains = [(one, 1) for one in accepted] if self._mischief is None else self._mischief.plan(accepted)
        for (hold, _), length in chains:
            hold.expect(length)
        for hold, _ in accepted:
            _spawn(self._in_hand, hold.keep())
        for (hold, message), length in chains:
            _spawn(self._deliveries, self._deliver(hold, message, times=length))

    async def _deliver(self, hold: MessageHold, message: Message, *, times: int) -> None:
        for _ in range(times):
            async with self._room:
                hold.delivered(ok=await self._handle(message))


def _spawn(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
