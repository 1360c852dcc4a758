"""Binding data of a queue message."""

from datetime import UTC, datetime

from local_cloud.function_host.config.expressions import expand
from local_cloud.function_host.storage.messages import Message
from local_cloud.function_host.triggers.queue.trigger import queue_event


def test_message_properties_take_precedence() -> None:
    now = datetime.now(UTC)
    message = Message("i", "t", b'{"id": "mine", "list": [1]}', 1, "receipt", now, now, now)
    data = queue_event(message, "queue").data
    assert expand("{ID}-{dequeueCount}", data) == "mine-1"
