"""Queue messages and their encoding: the text in the queue and the bytes that a function receives."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from azure.storage.queue import QueueMessage

Encoding = Literal["base64", "none"]
_WITHOUT_WHITESPACE = str.maketrans("", "", " \t\r\n")  # .NET's decoder ignores these, too
_NEVER = datetime.max.replace(tzinfo=UTC)


class UndecodableMessageError(ValueError):
    """The text in the queue does not match messageEncoding, or the bytes cannot be encoded with it."""


def encode(body: bytes, encoding: Encoding) -> str:
    """Return the queue text for `body`. Raises UndecodableMessageError."""
    if encoding == "base64":
        return base64.b64encode(body).decode("ascii")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UndecodableMessageError("bytes that are not UTF-8 need messageEncoding base64") from error


def decode(text: str, encoding: Encoding) -> bytes:
    """Return the bytes of a queue text. Raises UndecodableMessageError."""
    if encoding == "none":
        return text.encode("utf-8")
    try:
        return base64.b64decode(text.translate(_WITHOUT_WHITESPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableMessageError("not base64; send base64 or set messageEncoding to none in host.json") from error


@dataclass(frozen=True)
class Message:
    """A received message."""

    id: str
    text: str
    """The encoded text in the queue."""
    body: bytes
    dequeue_count: int
    """How many times the message was dequeued, including this time."""
    pop_receipt: str
    """The receipt of the dequeue; each renewal returns a newer one."""
    inserted_on: datetime
    expires_on: datetime
    next_visible_on: datetime

    @classmethod
    def received(cls, raw: QueueMessage, encoding: Encoding) -> "Message":
        """Convert a message of the SDK. Raises UndecodableMessageError."""
        return cls(
            id=raw.id,
            text=raw.content,
            body=decode(raw.content, encoding),
            dequeue_count=raw.dequeue_count or 1,
            pop_receipt=raw.pop_receipt or "",
            inserted_on=raw.inserted_on or _NEVER,
            expires_on=raw.expires_on or _NEVER,
            next_visible_on=raw.next_visible_on or _NEVER,
        )
