"""Blob triggers: from a blob version to the internal queue, and from there to the function.

All blob triggers share one queue in the host's storage, `azure-webjobs-blobtrigger-<host id>`, for blobs found by the
scan and by events. It is always base64, whatever host.json says. Messages that fail too often go to
`webjobs-blobtrigger-poison` in the account of the blob.
Source: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Blobs, BlobQueueTriggerExecutor.cs
"""

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobProperties

from local_cloud.function_host.config.expressions import PathPattern
from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker, TriggerEvent
from local_cloud.function_host.invocation.values import bytes_datum, json_datum, text_datum
from local_cloud.function_host.storage.clients import Storage, short_error
from local_cloud.function_host.storage.messages import Message, UndecodableMessageError, decode, encode
from local_cloud.function_host.triggers.blob.receipts import BlobVersion
from local_cloud.function_host.triggers.queue.duplicate_delivery import DuplicateDelivery
from local_cloud.function_host.triggers.queue.listener import PollRules, QueueListener
from local_cloud.function_host.triggers.queue.message_lease import LeaseRules

_POISON_QUEUE = "webjobs-blobtrigger-poison"
_MAX_BATCH_SIZE = 32
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlobTrigger:
    """A function with a blob trigger, and the pattern of its blobs."""

    function: Function
    pattern: PathPattern

    @classmethod
    def of(cls, function: Function, settings: HostSettings) -> "BlobTrigger":
        """Parse the trigger's path. Raises ExpressionError."""
        return cls(function, PathPattern.parse(settings.resolve(function.trigger.arguments["path"])))

    @property
    def is_scanned(self) -> bool:
        """Whether the scan finds the blobs; False for source=EventGrid, whose blobs come from the webhook only."""
        return bool(self.function.trigger.arguments.get("source") != "EventGrid")


class BlobQueue:
    """The internal queue: scan and webhook enqueue blobs, the listener executes them."""

    def __init__(self, triggers: list[BlobTrigger], invoker: Invoker, settings: HostSettings, storage: Storage) -> None:
        self._triggers = {trigger.function.host_name: trigger for trigger in triggers}
        self._invoker = invoker
        self._settings = settings
        self._storage = storage
        self._name = f"azure-webjobs-blobtrigger-{settings.host_id}"

    def has_trigger(self, function: str) -> bool:
        """Return whether a blob trigger has this host name, `Host.Functions.<name>`."""
        return function in self._triggers

    async def put(self, function: str, version: BlobVersion) -> None:
        """Enqueue one blob version for one function. Raises AzureError."""
        record = {
            "Type": "BlobTrigger",
            "FunctionId": function,
            "BlobType": version.blob_type,
            "ContainerName": version.container,
            "BlobName": version.name,
            "ETag": f'"{version.etag}"',
        }
        await self._storage.send(None, self._name, encode(json.dumps(record).encode(), "base64"))

    def listener(self, duplicate_seed: int | None) -> QueueListener:
        """Return the listener that executes enqueued blobs."""
        rules = self._settings.host_json.extensions.blobs
        batch = min(_MAX_BATCH_SIZE, rules.max_degree_of_parallelism // 2 + 1)
        return QueueListener(
            self._storage.queue(None, self._name),
            self._execute,
            poll=PollRules(
                batch_size=batch,
                new_batch_threshold=max(0, rules.max_degree_of_parallelism - batch),
                max_polling_interval=self._settings.host_json.extensions.queues.max_polling_interval,
                encoding="base64",
            ),
            lease=LeaseRules(
                invisibility=self._settings.message_invisibility,
                visibility_timeout=timedelta(0),
                max_dequeue_count=rules.poison_blob_threshold,
                poison=self._poison,
            ),
            wake=self._storage.wake(None, self._name),
            duplicates=None if duplicate_seed is None else DuplicateDelivery(duplicate_seed, self._name),
        )

    async def _execute(self, message: Message) -> bool:
        """Run the function, or drop a message whose function, blob or blob version no longer exists."""
        target = self._read(message.body)
        if target is None:
            _log.warning("Message %s in %s is not for a blob trigger of this app; dropped", message.id, self._name)
            return True
        trigger, version = target
        container = self._storage.blobs(trigger.function.trigger.connection).get_container_client(version.container)
        try:
            download = await container.get_blob_client(version.name).download_blob()
            content = await download.readall()
        except ResourceNotFoundError:
            _log.info("Blob %s/%s no longer exists; dropped", version.container, version.name)
            return True
        except AzureError as error:
            _log.warning("Blob %s/%s cannot be read: %s", version.container, version.name, short_error(error))
            return False
        blob_properties = download.properties
        if blob_properties.etag.strip('"') != version.etag:
            _log.info("Blob %s/%s has another version than the message; dropped", version.container, version.name)
            return True
        url = container.get_blob_client(version.name).url.partition("?")[0]
        event = blob_event(trigger, version, content=content, blob_properties=blob_properties, url=url)
        return (await self._invoker.invoke(trigger.function, event)).ok

    async def _poison(self, text: str) -> None:
        try:
            target = self._read(decode(text, "base64"))
        except UndecodableMessageError:
            target = None
        if target is None:
            _log.warning("A message in %s cannot be parsed; dropped", self._name)
            return
        await self._storage.send(target[0].function.trigger.connection, _POISON_QUEUE, text)

    def _read(self, body: bytes) -> tuple[BlobTrigger, BlobVersion] | None:
        try:
            record: Any = json.loads(body)
            version = BlobVersion(
                container=record["ContainerName"],
                name=record["BlobName"],
                etag=record["ETag"].strip('"'),
                blob_type=record["BlobType"],
            )
            return self._triggers[record["FunctionId"]], version
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def blob_event(
    trigger: BlobTrigger, version: BlobVersion, *, content: bytes, blob_properties: BlobProperties, url: str
) -> TriggerEvent:
    """Return the event of a blob; a name outside the trigger's path (possible for events) has no captures."""
    path = f"{version.container}/{version.name}"
    captures = trigger.pattern.captures(version.name) or {}
    properties = {
        "Length": blob_properties.size,
        "ContentLength": blob_properties.size,
        "ContentType": blob_properties.content_settings.content_type,
        "ETag": blob_properties.etag,
        "LastModified": blob_properties.last_modified.isoformat(),
    }
    return TriggerEvent(
        datum=bytes_datum(content),
        reason=f"New blob detected: {path}",
        metadata={
            **{name: text_datum(value) for name, value in captures.items()},
            "BlobTrigger": text_datum(path),
            "Uri": json_datum(url),
            "Properties": json_datum(properties),
            "Metadata": json_datum(dict(blob_properties.metadata or {})),
        },
        data={"BlobTrigger": path, "Uri": url, **captures},
    )
