"""A message in hand: hidden from others while its deliveries run, then deleted, shown again or poisoned.

The rules are the host's: a success deletes; a failure shows the message again after the visibility timeout; at the last
failure, or at a text that cannot be decoded, its copy goes to the poison queue. A receipt that is no longer ours means
that someone else has the message now, so it is left alone: delivery is at least once.
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
"""Copies a message's text, as it lay on the queue, to the poison queue; raises AzureError."""


@dataclass(frozen=True)
class LeaseRules:
    """For how long a message is hidden, and what follows a failure. `poison` None: the queue has no poison queue."""

    invisibility: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    poison: Poison | None


class MessageLease:
    """Holds one message from its receipt to its end."""

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
        """Announce so many more deliveries; each is answered by one `delivered`."""
        self._deliveries += deliveries

    def record_delivery(self, *, ok: bool) -> None:
        """One delivery has ended. The message succeeds if all of them did."""
        self._failed |= not ok
        self._deliveries -= 1
        if not self._deliveries:
            self._finished.set()

    async def hold_until_done(self) -> None:
        """Keep the message hidden until its deliveries have ended, then settle it."""
        half = self._rules.invisibility.total_seconds() / 2
        pause = half
        while not await wait_for_any(self._finished, timeout=pause):
            pause = half if await self._renew() else half / 5
        if not self._failed:
            await self._end("deleted", self._delete())
        elif self._rules.poison is None:
            # The host does not show it again at once either: that would be an endless, fast loop.
            _log.warning("Message %s failed and stays hidden for a while: no poison queue here", self._raw.id)
        elif (self._raw.dequeue_count or 1) >= self._rules.max_dequeue_count:
            await self.reject(f"it has failed {self._raw.dequeue_count} times (maxDequeueCount)")
        else:
            await self._end("shown again", self._show_again())

    async def reject(self, reason: str) -> None:
        """Move the message to the poison queue, undelivered or for good; without such a queue it stays hidden."""
        _log.warning("Message %s on %s is poison: %s", self._raw.id, self._queue.queue_name, reason)
        if self._rules.poison is not None:
            await self._end("moved to its poison queue", self._move(self._rules.poison))

    async def _move(self, poison: Poison) -> None:
        await poison(self._raw.content)
        await self._delete()

    async def _delete(self) -> None:
        await self._queue.delete_message(self._raw.id, self._receipt)

    async def _show_again(self) -> None:
        after = int(self._rules.visibility_timeout.total_seconds())
        await self._queue.update_message(self._raw.id, self._receipt, visibility_timeout=after)
        self._wake.set()

    async def _renew(self) -> bool:
        hidden = int(self._rules.invisibility.total_seconds())
        try:
            answer = await self._queue.update_message(self._raw.id, self._receipt, visibility_timeout=hidden)
        except AzureError as error:
            _log.warning("Message %s could not be kept hidden: %s", self._raw.id, short_error(error))
            return False
        self._receipt = answer.pop_receipt or self._receipt
        return True

    async def _end(self, what: str, step: Awaitable[None]) -> None:
        try:
            await step
        except AzureError as error:
            stale = isinstance(error, HttpResponseError) and error.status_code in {400, 404}
            level = logging.DEBUG if stale else logging.WARNING
            _log.log(level, "Message %s was not %s, it will come again: %s", self._raw.id, what, short_error(error))
