"""A lease on a blob: mutual exclusion that ends when its holder dies."""

import threading
from typing import Final

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobLeaseClient

LEASE_SECONDS: Final = 60


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
        while not self._stop.wait(LEASE_SECONDS / 3):
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
