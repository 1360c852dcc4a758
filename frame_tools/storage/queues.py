"""Storage queues on Azure, the only module that imports `azure.storage.queue`; it implements `storage.ports`.

Messages are sent as base64. They are read undecoded, because a stranger's message may be anything; host.json gives them
to the app undecoded, too (`messageEncoding` none), which sets aside what is not ours.
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
    TextBase64EncodePolicy,
)

from frame_tools.contracts.messages import BatchMessage, decode_body
from frame_tools.storage.accounts import Account
from frame_tools.storage.patience import BACKGROUND, Patience

MAX_SENDERS: Final = 8


class Queue:
    """A queue of batch messages."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def ensure(self) -> None:
        """Create the queue unless it exists."""
        try:
            self._client.create_queue()
        except ResourceExistsError:
            return

    def is_created(self) -> bool:
        """Return whether the queue exists; raises HttpResponseError if access is denied."""
        try:
            self._client.get_queue_properties()
        except ResourceNotFoundError:
            return False
        return True

    def send(self, message: BatchMessage) -> None:
        """Send one message; creates a missing queue."""
        try:
            self._client.send_message(message.text())
        except ResourceNotFoundError:
            self.ensure()
            self._client.send_message(message.text())

    def send_all(self, messages: Iterable[BatchMessage]) -> None:
        """Send many messages, several in parallel; after an error, some of them may have been sent."""
        with ThreadPoolExecutor(MAX_SENDERS, thread_name_prefix="queue") as pool:
            for _ in pool.map(self.send, messages):
                pass

    def oldest(self, count: int = 32) -> list[str]:
        """Return the texts of up to 32 waiting messages without removing them; empty if the queue does not exist."""
        try:
            peeked = self._client.peek_messages(max_messages=count)
            return [decode_body(str(message.content).encode()) for message in peeked]
        except ResourceNotFoundError:
            return []

    def count(self) -> int:
        """Return about how many messages the queue has, those that are being worked on too; zero if it is missing."""
        try:
            return self._client.get_queue_properties().approximate_message_count or 0
        except ResourceNotFoundError:
            return 0

    def age_of_oldest(self) -> dt.timedelta:
        """Return how long the first visible message has been waiting; zero for an empty or missing queue.

        A message that was returned to the queue counts from when it was first sent.
        """
        try:
            visible = self._client.peek_messages(max_messages=1)
        except ResourceNotFoundError:
            return dt.timedelta()
        sent_at = [message.inserted_on for message in visible if message.inserted_on is not None]
        return max((dt.datetime.now(dt.UTC) - time for time in sent_at), default=dt.timedelta())


class QueueAccount:
    """The queue service of one storage account."""

    def __init__(self, account: Account, patience: Patience = BACKGROUND) -> None:
        options: dict[str, Any] = {
            "retry_policy": ExponentialRetry(
                initial_backoff=patience.first_pause,
                increment_base=patience.pause_base,
                retry_total=patience.retries,
                random_jitter_range=min(patience.first_pause, patience.pause_base),
            ),
            "connection_timeout": patience.connect_seconds,
            "read_timeout": patience.read_seconds,
        }
        if account.connection_string:
            self._client = QueueServiceClient.from_connection_string(account.connection_string, **options)
        else:
            self._client = QueueServiceClient(str(account.queue_url), credential=account.credential(), **options)

    def queue(self, name: str) -> Queue:
        """Return a queue by name, which need not exist yet."""
        return Queue(
            self._client.get_queue_client(
                name,
                message_encode_policy=TextBase64EncodePolicy(),
            )
        )
