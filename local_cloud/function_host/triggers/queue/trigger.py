"""Queue triggers: a message becomes a call with the real host's metadata and binding data."""

import json
import logging
from datetime import datetime

from local_cloud.function_host.config.settings import HostSettings
from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.invoker import Invoker, TriggerEvent
from local_cloud.function_host.invocation.values import bytes_datum, json_datum, text_datum
from local_cloud.function_host.storage.clients import Storage
from local_cloud.function_host.storage.messages import Message
from local_cloud.function_host.triggers.queue.duplicate_delivery import DuplicateDelivery
from local_cloud.function_host.triggers.queue.listener import PollRules, QueueListener
from local_cloud.function_host.triggers.queue.message_lease import LeaseRules

_POISON_SUFFIX = "-poison"
_log = logging.getLogger(__name__)


def queue_listener(
    function: Function,
    invoker: Invoker,
    *,
    settings: HostSettings,
    storage: Storage,
    duplicate_seed: int | None,
) -> QueueListener:
    """Return the listener of a function's queue; a queue whose name ends in -poison has no poison queue of its own."""
    rules = settings.host_json.extensions.queues
    connection = function.trigger.connection
    queue = settings.resolve(function.trigger.arguments["queueName"]).lower()

    async def handle(message: Message) -> bool:
        try:
            event = queue_event(message, queue, is_binary=function.trigger.is_binary)
        except UnicodeDecodeError as error:
            _log.error(
                "Message %s on %s cannot be bound: not UTF-8 (%s). Use dataType binary.", message.id, queue, error
            )
            return False
        return (await invoker.invoke(function, event)).ok

    async def poison(text: str) -> None:
        await storage.send(connection, queue + _POISON_SUFFIX, text)

    return QueueListener(
        storage.queue(connection, queue),
        handle,
        poll=PollRules(
            batch_size=rules.batch_size,
            new_batch_threshold=rules.threshold,
            max_polling_interval=rules.max_polling_interval,
            encoding=rules.message_encoding,
        ),
        lease=LeaseRules(
            invisibility=settings.message_invisibility,
            visibility_timeout=rules.visibility_timeout,
            max_dequeue_count=rules.max_dequeue_count,
            poison=None if queue.endswith(_POISON_SUFFIX) else poison,
        ),
        wake=storage.wake(connection, queue),
        duplicates=None if duplicate_seed is None else DuplicateDelivery(duplicate_seed, queue),
    )


def queue_event(message: Message, queue: str, *, is_binary: bool = False) -> TriggerEvent:
    """Return the event of a message. Top-level values of a JSON object become binding data and take precedence.

    Raises UnicodeDecodeError if the body is not UTF-8 and the binding not binary: as in Azure, the binding fails then
    and the function is not called.
    """
    text = message.body.decode("utf-8", "replace" if is_binary else "strict")
    properties = {
        "DequeueCount": message.dequeue_count,
        "ExpirationTime": _iso(message.expires_on),
        "InsertionTime": _iso(message.inserted_on),
        "NextVisibleTime": _iso(message.next_visible_on),
    }
    names = {"Id": message.id, "PopReceipt": message.pop_receipt, "QueueTrigger": text}
    return TriggerEvent(
        datum=bytes_datum(message.body) if is_binary else text_datum(text),
        reason=f"New queue message detected on '{queue}'.",
        metadata={
            **{name: text_datum(value) for name, value in names.items()},
            **{name: json_datum(value) for name, value in properties.items()},
        },
        data={**properties, **names, **_properties(text)},
    )


def _properties(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _iso(moment: datetime) -> str:
    return moment.isoformat()
