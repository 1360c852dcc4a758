"""Storage clients by connection name, sending to a queue, and waking that queue's listener."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient, ContainerClient, LinearRetry
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.storage.hints import WriteHints

_HOSTS_CONTAINER = "azure-webjobs-hosts"
_Client = TypeVar("_Client", BlobServiceClient, QueueServiceClient)


def short_error(error: AzureError) -> str:
    """Return one line for the log: the service's status and error code, or the connection error."""
    if isinstance(error, HttpResponseError):
        return f"{error.status_code} {getattr(error, 'error_code', None) or error.reason}"
    return str(error).partition("\n")[0]


class Storage:
    """The storage accounts behind an app's connections; must be closed."""

    def __init__(self, settings: HostSettings) -> None:
        self._settings = settings
        self._blobs: dict[str, BlobServiceClient] = {}
        self._queues: dict[str, QueueServiceClient] = {}
        self._wake_events: dict[tuple[str, str], asyncio.Event] = {}
        self.hints = WriteHints()
        """Hints about what others have written; received only once it listens."""

    def blobs(self, connection: str | None) -> BlobServiceClient:
        """Return the blob service of a connection (None: the host's own). Raises SettingsError."""
        return self._client(self._blobs, connection, _blob_service)

    def queue(self, connection: str | None, name: str) -> QueueClient:
        """Return a queue of a connection (None: the host's own). Raises SettingsError."""
        return self._client(self._queues, connection, _queue_service).get_queue_client(name)

    def wake(self, connection: str | None, queue: str) -> asyncio.Event:
        """Return the event that is set when this host has sent a message to that queue, or by a hint about others."""
        key = self._settings.connection_string(connection), queue
        if key not in self._wake_events:
            self._wake_events[key] = asyncio.Event()
            self.hints.subscribe("queue", queue, self._wake_events[key])
        return self._wake_events[key]

    async def send(self, connection: str | None, queue: str, text: str) -> None:
        """Send an already encoded message; create the queue if it does not exist. Raises AzureError."""
        client = self.queue(connection, queue)
        try:
            await client.send_message(text)
        except ResourceNotFoundError:
            await _create_queue(client)
            await client.send_message(text)
        self.wake(connection, queue).set()

    async def hosts_container(self) -> ContainerClient:
        """Return the container of the host's locks, receipts and timers; create it if needed. Raises AzureError."""
        container = self.blobs(None).get_container_client(_HOSTS_CONTAINER)
        await ensure_container(container)
        return container

    async def close(self) -> None:
        """Close all connections."""
        self.hints.close()
        for blobs in self._blobs.values():
            await blobs.close()
        for queues in self._queues.values():
            await queues.close()

    def _client(self, cache: dict[str, _Client], connection: str | None, create: Callable[[str], _Client]) -> _Client:
        text = self._settings.connection_string(connection)
        if text not in cache:
            cache[text] = create(text)
        return cache[text]


async def ensure_container(container: ContainerClient) -> None:
    """Create the container if it does not exist. Raises AzureError."""
    with suppress(ResourceExistsError):
        await container.create_container()


async def _create_queue(queue: QueueClient) -> None:
    with suppress(ResourceExistsError):
        await queue.create_queue()


# The listeners retry on their own, so a call gives up after seconds instead of the SDK's minute.
def _blob_service(connection_string: str) -> BlobServiceClient:
    return BlobServiceClient.from_connection_string(connection_string, retry_policy=_retry())


def _queue_service(connection_string: str) -> QueueServiceClient:
    return QueueServiceClient.from_connection_string(connection_string, retry_policy=_retry())


def _retry() -> LinearRetry:
    return LinearRetry(backoff=1, retry_total=2, random_jitter_range=1)
