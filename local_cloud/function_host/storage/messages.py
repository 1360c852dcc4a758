"""Queue messages: what lies on a queue, and how its text becomes the bytes a function sees."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from azure.storage.queue import QueueMessage

Encoding = Literal["base64", "none"]
_NEVER = datetime.max.replace(tzinfo=UTC)


class UndecodableMessageError(ValueError):
    """The text on the queue is not what the host's messageEncoding says, or bytes do not fit it."""


def encode(body: bytes, encoding: Encoding) -> str:
    """The text that lies on the queue for `body`."""
    if encoding == "base64":
        return base64.b64encode(body).decode("ascii")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UndecodableMessageError("bytes that are not UTF-8 need messageEncoding base64") from error


def decode(text: str, encoding: Encoding) -> bytes:
    """The bytes behind the text on a queue."""
    if encoding == "none":
        return text.encode("utf-8")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableMessageError("not base64; send base64 or set messageEncoding in host.json to none") from error


@dataclass(frozen=True)
class Message:
    """A message in hand."""

    id: str
    text: str
    """As it lies on the queue, encoded."""
    body: bytes
    dequeue_count: int
    """How often it was taken from the queue, this time included."""
    pop_receipt: str
    """The receipt with which it was taken; a renewal makes a newer one."""
    inserted_on: datetime
    expires_on: datetime
    next_visible_on: datetime

    @classmethod
    def received(cls, raw: QueueMessage, encoding: Encoding) -> "Message":
        """Read what the SDK received; raises UndecodableMessageError."""
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
