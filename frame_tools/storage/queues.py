"""Storage queues; the only importer of `azure.storage.queue`.

Messages travel as base64 because the Functions host expects it (host.json says so too, nothing else does): a plain
message would land in the poison queue without our code ever seeing it.
"""

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import (
    ExponentialRetry,
    QueueClient,
    QueueServiceClient,
    TextBase64DecodePolicy,
    TextBase64EncodePolicy,
)

from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.accounts import Account

SENDERS: Final = 8


class Queue:
    """One queue for batch messages."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def ensure(self) -> None:
        """Create the queue unless it exists."""
        try:
            self._client.create_queue()
        except ResourceExistsError:
            return

    def is_created(self) -> bool:
        """Whether the queue exists; raises HttpResponseError if we may not look."""
        try:
            self._client.get_queue_properties()
        except ResourceNotFoundError:
            return False
        return True

    def send(self, message: BatchMessage) -> None:
        """Put one message; a missing queue is made."""
        try:
            self._client.send_message(message.text())
        except ResourceNotFoundError:
            self.ensure()
            self._client.send_message(message.text())

    def send_all(self, messages: Iterable[BatchMessage]) -> None:
        """Put many messages, several at a time; on an error some may have been put."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="queue") as pool:
            for _ in pool.map(self.send, messages):
                pass

    def oldest(self, count: int = 32) -> list[str]:
        """Return the texts of up to 32 waiting messages without taking them."""
        try:
            return [str(message.content) for message in self._client.peek_messages(max_messages=count)]
        except ResourceNotFoundError:
            return []

    def age_of_oldest(self) -> dt.timedelta:
        """Return how long the first visible message has been waiting; none for an empty queue or one that is not there.

        A message that is put back to wait longer keeps the time when it was first put.
        """
        try:
            waiting = self._client.peek_messages(max_messages=1)
        except ResourceNotFoundError:
            return dt.timedelta()
        put = [message.inserted_on for message in waiting if message.inserted_on is not None]
        return max((dt.datetime.now(dt.UTC) - moment for moment in put), default=dt.timedelta())


class QueueAccount:
    """The queue service of one storage account."""

    def __init__(self, account: Account) -> None:
        options: dict[str, Any] = {"retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=5)}
        if account.connection_string:
            self._client = QueueServiceClient.from_connection_string(account.connection_string, **options)
        else:
            self._client = QueueServiceClient(str(account.queue_url), credential=account.credential(), **options)

    def queue(self, name: str) -> Queue:
        """Return a queue by name; it need not exist yet."""
        return Queue(
            self._client.get_queue_client(
                name,
                message_encode_policy=TextBase64EncodePolicy(),
                message_decode_policy=TextBase64DecodePolicy(),
            )
        )
