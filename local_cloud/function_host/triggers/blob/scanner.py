"""The blob scan: finds new blob versions by listing their containers every two seconds, or at a hint about a write.

The real host does this for development storage, without hints; in Azure it lists every ten seconds and reads the logs
of storage. One of several hosts scans. A version with a receipt, from this process or an earlier one, is not queued
again.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from azure.core.exceptions import AzureError, ResourceNotFoundError

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.storage.clients import Storage, short_error
from local_cloud.function_host.triggers.blob.receipts import BlobReceipts, BlobVersion
from local_cloud.function_host.triggers.blob.trigger import BlobQueue, BlobTrigger

_PAUSE_SECONDS = 2.0
_log = logging.getLogger(__name__)

_Key = tuple[str, BlobVersion]


class BlobScanner:
    """Scans the containers of all blob triggers whose source is not Event Grid."""

    def __init__(
        self, triggers: Sequence[BlobTrigger], queue: BlobQueue, *, receipts: BlobReceipts, storage: Storage
    ) -> None:
        self._queue = queue
        self._receipts = receipts
        self._storage = storage
        self._queued: set[_Key] = set()
        self._written = asyncio.Event()
        self._containers: dict[tuple[str | None, str], list[BlobTrigger]] = defaultdict(list)
        for trigger in triggers:
            self._containers[trigger.function.trigger.connection, trigger.pattern.container].append(trigger)
        for _, container in self._containers:
            storage.hints.subscribe("container", container, self._written)

    async def run(self, stopping: asyncio.Event) -> None:
        """Scan repeatedly until `stopping` is set; retry when storage fails."""
        while not stopping.is_set():
            self._written.clear()
            try:
                await self._scan(stopping)
            except AzureError as error:
                _log.warning("Containers cannot be listed, retrying: %s", short_error(error))
            await wait_for_any(self._written, stopping, timeout=_PAUSE_SECONDS)

    async def _scan(self, stopping: asyncio.Event) -> None:
        present: set[_Key] = set()
        for (connection, container), triggers in self._containers.items():
            blobs = self._storage.blobs(connection).get_container_client(container).list_blobs()
            with suppress(ResourceNotFoundError):  # the container does not exist yet
                async for blob in blobs:
                    if stopping.is_set():
                        return
                    version = BlobVersion(container, blob.name, blob.etag.strip('"'), _type_name(blob.blob_type))
                    present |= {(t.function.host_name, version) for t in triggers if _matches(t, version)}
                    await self._enqueue_if_new(version, triggers)
        self._queued &= present  # forget versions that are gone, or the set would grow without bound

    async def _enqueue_if_new(self, version: BlobVersion, triggers: Sequence[BlobTrigger]) -> None:
        for trigger in triggers:
            function = trigger.function.host_name
            if (function, version) in self._queued or not _matches(trigger, version):
                continue

            async def enqueue(function: str = function) -> None:
                await self._queue.put(function, version)

            if await self._receipts.enqueue_once(version, function, enqueue=enqueue):
                self._queued.add((function, version))


def _matches(trigger: BlobTrigger, version: BlobVersion) -> bool:
    return trigger.pattern.captures(version.name) is not None


def _type_name(blob_type: object) -> str:
    return str(getattr(blob_type, "value", blob_type))
