"""Singletons: what only one of several hosts may do, such as scanning blobs or firing a timer.

The lock is a blob lease in `azure-webjobs-hosts/locks/<host id>/`, renewed while the work goes on. A host that dies
lets it run out, and another takes over; one that stops gives it back.
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
        """Run `work` whenever this host holds the lock `name`, until `stopping`.

        If the lock is lost, `work` is cancelled; it starts anew when the lock is won again.
        """
        while not stopping.is_set():
            try:
                lease = await self._acquire(name)
            except AzureError as error:
                _log.warning("Lock %s cannot be asked for, trying again: %s", name, short_error(error))
                lease = None
            if lease is None:
                await wait_for_any(stopping, timeout=_RETRY_SECONDS)
                continue
            _log.debug("Lock %s is held", name)
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
    """Make an empty blob if there is none of that name; whether this call made it. Raises AzureError."""
    try:
        await blob.upload_blob(b"", overwrite=True, metadata=metadata, match_condition=MatchConditions.IfMissing)
    except ResourceExistsError:
        return False
    except HttpResponseError as error:
        if error.status_code == 412:  # it is there, and leased
            return False
        raise
    return True


async def try_lease(blob: BlobClient, seconds: int) -> BlobLeaseClient | None:
    """Lease the blob for so long; None if someone else has it. Raises AzureError."""
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
    """Renew until the lease is someone else's, or could not be renewed before its end."""
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
        _log.debug("Lock %s was not given back, it runs out by itself: %s", name, short_error(error))
