"""A lease on a blob: mutual exclusion that ends when its holder dies."""

import threading
from typing import Final

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobLeaseClient

LEASE_SECONDS: Final = 60
RENEWAL_SECONDS: Final = LEASE_SECONDS / 3


def acquire_lease(blob: BlobClient) -> BlobLeaseClient | None:
    """Acquire the lease on a blob, breaking an infinite one; return None if another process holds it."""
    for _ in range(2):
        try:
            return blob.acquire_lease(lease_duration=LEASE_SECONDS)
        except ResourceExistsError:
            if not break_infinite_lease(blob):
                return None
    return None


def break_infinite_lease(blob: BlobClient) -> bool:
    """Break the lease on a blob if it never expires; return whether it is broken.

    Every lease of Impasto expires within 60 seconds, so an infinite one was left by a person or a compromised node.
    """
    if blob.get_blob_properties().lease.duration != "infinite":
        return False
    try:
        BlobLeaseClient(blob).break_lease(lease_break_period=0)
    except HttpResponseError:  # it was released, or broken by somebody else, in this moment
        return False
    return True


class Lease:
    """A lease that a background thread renews until it is closed or lost."""

    def __init__(self, client: BlobLeaseClient) -> None:
        self._client = client
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether the lease could not be renewed, so that another process may hold it."""
        return self._lost.is_set()

    def _renew(self) -> None:
        while not self._stop.wait(RENEWAL_SECONDS):
            try:
                self._client.renew()
            except AzureError:  # refused, or unreachable in all of the client's retries
                self._lost.set()
                return

    def close(self) -> None:
        """Stop the renewal and release the lease."""
        self._stop.set()
        self._thread.join()
        try:
            self._client.release()
        except AzureError:
            self._lost.set()
