"""Queue messages: what lies in a queue becomes text, whatever it is."""

import base64
import json

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import BatchRange
from frame_tools.contracts.messages import BatchMessage, decode_body

MESSAGE = BatchMessage(run_id="clip-0123456789", batch=3)


def test_message_survives_the_queue() -> None:
    encoded = base64.b64encode(MESSAGE.text().encode())
    assert BatchMessage.parse(decode_body(encoded)) == MESSAGE
    lines = encoded[:20] + b"\r\n" + encoded[20:]
    assert BatchMessage.parse(decode_body(lines)) == MESSAGE


def test_message_without_base64_is_read_too() -> None:
    assert BatchMessage.parse(decode_body(MESSAGE.text().encode())) == MESSAGE


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"not base64!", "not base64!"),
        (b"AAA", "AAA"),
        (base64.b64encode(b"\xff\xfe"), "\\xff\\xfe"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("größe".encode(), "größe"),
    ],
)
def test_any_body_becomes_text(body: bytes, text: str) -> None:
    assert decode_body(body) == text


@pytest.mark.parametrize(("batch", "last"), [(0, 0), (0, 99), (150, 249), (3, 4)])
def test_range_survives(batch: int, last: int) -> None:
    message = BatchMessage(run_id="clip-0123456789", batch=batch, last=last)
    assert BatchMessage.parse(message.text()) == message
    assert message.batches == BatchRange(batch, last)


@pytest.mark.parametrize(("batch", "last"), [(0, 100), (3, 2), ("split", 3), ("advance", 0), (0, -1), (0, 100_000)])
def test_invalid_range_is_rejected(batch: object, last: int) -> None:
    with pytest.raises(InputError):
        BatchMessage.parse(json.dumps({"v": 3, "run_id": "clip-0123456789", "batch": batch, "last": last}))


@pytest.mark.parametrize("version", [1, 2])
def test_messages_of_earlier_versions_name_single_steps(version: int) -> None:
    message = BatchMessage.parse(json.dumps({"v": version, "run_id": "clip-0123456789", "batch": 3}))
    assert message.batches == BatchRange(3, 3)
