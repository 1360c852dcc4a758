"""Singleton locks: work that only one of several hosts may do, for example the blob scan or a timer.

A lock is a blob lease in `azure-webjobs-hosts/locks/<host id>/` that is renewed during the work. The lease of a crashed
host expires and another host takes over; a host that stops releases it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from local_cloud.function_host.async_wait import wait_for_any
from local_cloud.function_host.storage.clients import Storage, short_error

LEASE_SECONDS = 15
_RENEW_SECONDS = LEASE_SECONDS / 3
_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)

LockedWork = Callable[[], Coroutine[Any, Any, None]]


class SingletonLocks:
    """The locks of one host id."""

    def __init__(self, storage: Storage, host_id: str) -> None:
        self._storage = storage
        self._host_id = host_id

    async def run(self, name: str, work: LockedWork, *, stopping: asyncio.Event) -> None:
        """Run `work` whenever this host holds the lock `name`, until `stopping` is set.

        If the lock is lost, `work` is cancelled; it is started again when the lock is acquired again.
        """
        while not stopping.is_set():
            try:
                lease = await self._acquire(name)
            except AzureError as error:
                _log.warning("Lock %s cannot be acquired, retrying: %s", name, short_error(error))
                lease = None
            if lease is None:
                await wait_for_any(stopping, timeout=_RETRY_SECONDS)
                continue
            _log.debug("Lock %s is acquired", name)
            try:
                await _run_under_lease(lease, name, work)
            finally:
                await _release(lease, name)

    async def _acquire(self, name: str) -> BlobLeaseClient | None:
        container = await self._storage.hosts_container()
        blob = container.get_blob_client(f"locks/{self._host_id}/{name}")
        await create_if_missing(blob)
        return await try_lease(blob, LEASE_SECONDS)


async def create_if_missing(blob: BlobClient, metadata: dict[str, str] | None = None) -> bool:
    """Create an empty blob if it does not exist. Return whether this call created it. Raises AzureError."""
    try:
        await blob.upload_blob(b"", overwrite=True, metadata=metadata, match_condition=MatchConditions.IfMissing)
    except ResourceExistsError:
        return False
    except HttpResponseError as error:
        if error.status_code == 412:  # the blob exists and is leased
            return False
        raise
    return True


async def try_lease(blob: BlobClient, seconds: int) -> BlobLeaseClient | None:
    """Lease the blob for `seconds`. Return None if another client holds the lease. Raises AzureError."""
    try:
        return await blob.acquire_lease(seconds)
    except HttpResponseError as error:
        if error.status_code == 409:
            return None
        raise


async def _run_under_lease(lease: BlobLeaseClient, name: str, work: LockedWork) -> None:
    working = asyncio.create_task(work())
    renewing = asyncio.create_task(_renew(lease, name))
    try:
        await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        lost = not working.done()
        for task in (working, renewing):
            task.cancel()
        await asyncio.wait({working, renewing})
    if not lost:
        working.result()


async def _renew(lease: BlobLeaseClient, name: str) -> None:
    """Renew until the lease is lost or could not be renewed before it expired."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LEASE_SECONDS
    while loop.time() < end:
        await asyncio.sleep(_RENEW_SECONDS)
        asked = loop.time()
        try:
            await lease.renew()
        except HttpResponseError as error:
            _log.warning("Lock %s could not be renewed: %s", name, short_error(error))
            if error.status_code in {404, 409, 412}:
                return
        except AzureError as error:
            _log.warning("Lock %s could not be renewed: %s", name, short_error(error))
        else:
            end = asked + LEASE_SECONDS


async def _release(lease: BlobLeaseClient, name: str) -> None:
    try:
        await lease.release()
    except AzureError as error:
        _log.debug("Lock %s was not released and will expire: %s", name, short_error(error))
