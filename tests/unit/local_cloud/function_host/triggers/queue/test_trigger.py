"""Binding data of a queue message."""

from datetime import UTC, datetime

import pytest

from local_cloud.function_host.config.expressions import expand
from local_cloud.function_host.storage.messages import Message
from local_cloud.function_host.triggers.queue.trigger import queue_event


def test_message_properties_take_precedence() -> None:
    now = datetime.now(UTC)
    message = Message("i", "t", b'{"id": "mine", "list": [1]}', 1, "receipt", now, now, now)
    data = queue_event(message, "queue").data
    assert expand("{ID}-{dequeueCount}", data) == "mine-1"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a": ' * 100_000, b"not JSON"])
def test_unparsable_message_has_no_properties(body: bytes) -> None:
    now = datetime.now(UTC)
    event = queue_event(Message("i", "t", body, 1, "receipt", now, now, now), "queue")
    assert event.datum.value == body.decode()
    assert set(event.data) == {
        "DequeueCount", "ExpirationTime", "InsertionTime", "NextVisibleTime", "Id", "PopReceipt", "QueueTrigger"
    }  # fmt: skip


def test_message_that_is_not_utf8_needs_binary_binding() -> None:
    now = datetime.now(UTC)
    message = Message("i", "t", b"\xff{}", 1, "receipt", now, now, now)
    with pytest.raises(UnicodeDecodeError):
        queue_event(message, "queue")
    assert queue_event(message, "queue", is_binary=True).datum.value == b"\xff{}"
