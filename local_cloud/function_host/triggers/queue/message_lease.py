"""The lease of a message: hidden while its deliveries run, then deleted, made visible again or moved to poison.

The rules are the real host's. A success deletes the message; a failure makes it visible again after the visibility
timeout; after the last failure, or if the text cannot be decoded, a copy goes to the poison queue. If the pop receipt
is stale, another host has the message, so it is left alone: delivery is at least once.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Common, QueueProcessor.cs
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.storage.clients import short_error

_log = logging.getLogger(__name__)

Poison = Callable[[str], Awaitable[None]]
"""Copies a message's encoded text to the poison queue; raises AzureError."""


@dataclass(frozen=True)
class LeaseRules:
    """How long a message is hidden, and what follows a failure; `poison` None means that there is no poison queue."""

    invisibility: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    poison: Poison | None


class MessageLease:
    """Holds one message from its receipt to its completion."""

    def __init__(self, queue: QueueClient, raw: QueueMessage, *, rules: LeaseRules, wake: asyncio.Event) -> None:
        self._queue = queue
        self._raw = raw
        self._rules = rules
        self._wake = wake
        self._receipt = raw.pop_receipt or ""
        self._deliveries = 0
        self._failed = False
        self._finished = asyncio.Event()

    def expect_deliveries(self, deliveries: int) -> None:
        """Announce this many more deliveries; each must be completed by one `record_delivery`."""
        self._deliveries += deliveries

    def record_delivery(self, *, ok: bool) -> None:
        """Record the end of one delivery. The message succeeds only if all of them did."""
        self._failed |= not ok
        self._deliveries -= 1
        if not self._deliveries:
            self._finished.set()

    async def hold_until_done(self) -> None:
        """Keep the message hidden until its deliveries have ended, then complete it."""
        half = self._rules.invisibility.total_seconds() / 2
        pause = half
        while not await wait_for_any(self._finished, timeout=pause):
            pause = half if await self._renew() else half / 5
        if not self._failed:
            await self._complete("deleted", self._delete())
        elif self._rules.poison is None:
            # Like the real host, do not make it visible at once, which would be a fast endless loop.
            _log.warning("Message %s failed and stays hidden for now: this queue has no poison queue", self._raw.id)
        elif (self._raw.dequeue_count or 1) >= self._rules.max_dequeue_count:
            await self.reject(f"it has failed {self._raw.dequeue_count} times (maxDequeueCount)")
        else:
            await self._complete("made visible again", self._make_visible())

    async def reject(self, reason: str) -> None:
        """Move the message to the poison queue; without such a queue it stays hidden."""
        _log.warning("Message %s on %s is poison: %s", self._raw.id, self._queue.queue_name, reason)
        if self._rules.poison is not None:
            await self._complete("moved to its poison queue", self._move(self._rules.poison))

    async def _move(self, poison: Poison) -> None:
        await poison(self._raw.content)
        await self._delete()

    async def _delete(self) -> None:
        await self._queue.delete_message(self._raw.id, self._receipt)

    async def _make_visible(self) -> None:
        after = int(self._rules.visibility_timeout.total_seconds())
        await self._queue.update_message(self._raw.id, self._receipt, visibility_timeout=after)
        self._wake.set()

    async def _renew(self) -> bool:
        hidden = int(self._rules.invisibility.total_seconds())
        try:
            answer = await self._queue.update_message(self._raw.id, self._receipt, visibility_timeout=hidden)
        except AzureError as error:
            _log.warning("The lease of message %s could not be renewed: %s", self._raw.id, short_error(error))
            return False
        self._receipt = answer.pop_receipt or self._receipt
        return True

    async def _complete(self, outcome: str, step: Awaitable[None]) -> None:
        try:
            await step
        except AzureError as error:
            stale = isinstance(error, HttpResponseError) and error.status_code in {400, 404}
            level = logging.DEBUG if stale else logging.WARNING
            _log.log(level, "Message %s was not %s; it will come again: %s", self._raw.id, outcome, short_error(error))
