"""Queue messages: what lies in a queue becomes text, whatever it is."""

import base64

import pytest

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
