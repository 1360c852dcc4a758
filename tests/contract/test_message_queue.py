"""What a node sends, the app reads: base64 on the wire, in both directions and from both environments."""

import base64
import itertools
import os
import subprocess
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from frame_tools.contracts.messages import BatchMessage, decode_body
from frame_tools.storage.accounts import OPS, account_from
from frame_tools.storage.in_memory import InMemoryQueue
from frame_tools.storage.ports import MessageQueue
from frame_tools.storage.queues import Queue, QueueAccount
from local_cloud.cloud import Cloud
from tests.support.world import drain

PROJECT = Path(__file__).resolve().parents[2]
NODE_PYTHON = PROJECT / ".venv-scoring" / "bin" / "python"
_numbers = itertools.count(1)

SEND = """
import os, sys
from frame_tools.storage.accounts import OPS, account_from
from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.ports import MessageQueue
from frame_tools.storage.queues import QueueAccount
QueueAccount(account_from(os.environ, OPS)).queue(sys.argv[1]).send(BatchMessage(run_id=sys.argv[2], batch=7))
"""


@pytest.fixture
def queue(emulators: Cloud) -> Queue:
    """A queue that does not exist yet."""
    return QueueAccount(account_from(emulators.settings, OPS)).queue(f"contract-{next(_numbers)}")


@pytest.fixture(params=["real", "memory"])
def any_queue(request: pytest.FixtureRequest) -> MessageQueue:
    """The same, or the tests' own in memory."""
    return InMemoryQueue([]) if request.param == "memory" else request.getfixturevalue("queue")


def raw(emulators: Cloud, queue: Queue) -> QueueClient:
    """The same queue without any policy for its texts."""
    return QueueClient.from_connection_string(emulators.settings["OPS"], queue._client.queue_name)


def test_message_is_stored_as_base64_json(emulators: Cloud, queue: Queue) -> None:
    message = BatchMessage(run_id="clip-0123456789", batch=3)
    queue.send(message)
    (lying,) = raw(emulators, queue).peek_messages()
    assert base64.b64decode(lying.content, validate=True) == message.text().encode()
    assert queue.oldest() == [message.text()]
    assert [BatchMessage.parse(text) for text in drain(queue)] == [message]


def test_message_sent_by_node_is_read(emulators: Cloud, queue: Queue) -> None:
    name = queue._client.queue_name
    environment = {"PATH": os.defpath, "OPS": emulators.settings["OPS"], "PYTHONPATH": str(PROJECT)}
    subprocess.run(
        [str(NODE_PYTHON), "-c", SEND, name, "clip-0123456789"], env=environment, check=True, timeout=60, cwd=PROJECT
    )
    (lying,) = raw(emulators, queue).peek_messages()
    text = base64.b64decode(lying.content, validate=True).decode()
    assert BatchMessage.parse(text) == BatchMessage(run_id="clip-0123456789", batch=7)


def test_all_of_many_messages_arrive(any_queue: MessageQueue) -> None:
    any_queue.ensure()
    messages = [BatchMessage(run_id="clip-0123456789", batch=batch) for batch in range(100)]
    any_queue.send_all(messages)
    assert sorted(BatchMessage.parse(text).batch for text in drain(any_queue)) == list(range(100))


def test_missing_queue_is_empty_and_created_on_send(any_queue: MessageQueue) -> None:
    assert any_queue.oldest() == []
    assert any_queue.count() == 0
    any_queue.send_all(BatchMessage(run_id="clip-0123456789", batch=batch) for batch in range(8))
    assert len(any_queue.oldest()) == any_queue.count() == 8
    any_queue.ensure()


@pytest.mark.parametrize("content", ["not base64!", "AAA", "{}", "/////w=="])
def test_message_of_a_stranger_can_be_looked_at(emulators: Cloud, queue: Queue, content: str) -> None:
    queue.ensure()
    raw(emulators, queue).send_message(content)
    assert queue.oldest() == [decode_body(content.encode())]
    assert queue.age_of_oldest().total_seconds() >= 0
