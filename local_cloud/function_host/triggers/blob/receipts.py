"""Blob receipts: records of which blob versions were queued for which functions.

A receipt is a blob `azure-webjobs-hosts/blobreceipts/<host id>/Host.Functions.<name>/"<etag>"/<container>/<blob>`. It
is created incomplete, leased, and completed once the version is queued. It means *queued*, not *executed*; a crash
between queuing and completing queues the version twice.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, BlobTriggerExecutor.cs
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from azure.storage.blob.aio import BlobClient

from local_cloud.function_host.storage.clients import Storage
from local_cloud.function_host.storage.locks import create_if_missing, try_lease

_LEASE_SECONDS = 30
_INCOMPLETE = {"Incomplete": "Incomplete"}


@dataclass(frozen=True)
class BlobVersion:
    """One version of a blob; every overwrite or metadata change creates another."""

    container: str
    name: str
    etag: str
    """The ETag without quotes."""
    blob_type: str


class BlobReceipts:
    """The receipts of one host id."""

    def __init__(self, storage: Storage, host_id: str) -> None:
        self._storage = storage
        self._host_id = host_id

    async def enqueue_once(
        self, version: BlobVersion, function: str, *, enqueue: Callable[[], Awaitable[None]]
    ) -> bool:
        """Call `enqueue` unless the version is already queued. Return whether it is queued now.

        False means that another host is working on it; try again later. `function` is the host name. Raises AzureError.
        """
        container = await self._storage.hosts_container()
        receipt = container.get_blob_client(
            f'blobreceipts/{self._host_id}/{function}/"{version.etag}"/{version.container}/{version.name}'
        )
        if not await create_if_missing(receipt, _INCOMPLETE) and await _is_complete(receipt):
            return True
        lease = await try_lease(receipt, _LEASE_SECONDS)
        if lease is None:
            return False
        try:
            # Another host may have completed it between the check above and the lease.
            if not await _is_complete(receipt):
                await enqueue()
                await receipt.set_blob_metadata({}, lease=lease)
        finally:
            await lease.release()
        return True


async def _is_complete(receipt: BlobClient) -> bool:
    properties = await receipt.get_blob_properties()
    return "incomplete" not in {key.lower() for key in properties.metadata or {}}
