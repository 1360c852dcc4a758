"""Queues in memory."""

import datetime as dt
from collections.abc import Iterable
from typing import Self

from frame_tools.contracts.messages import BatchMessage
from frame_tools.storage.in_memory.hooks import AccessHook, no_hook


class InMemoryQueue:
    """A queue in memory. `hook` is called before each message is sent."""

    def __init__(self, texts: list[str] | None = None, hook: AccessHook = no_hook) -> None:
        self._texts = [] if texts is None else texts
        self._hook = hook

    def with_hook(self, hook: AccessHook) -> Self:
        """Return the same queue as another process sees it, with its own hook."""
        return type(self)(self._texts, hook)

    @property
    def messages(self) -> list[BatchMessage]:
        """All waiting messages, oldest first."""
        return [BatchMessage.parse(text) for text in self._texts]

    def ensure(self) -> None:
        """Do nothing: the queue always exists."""

    def is_created(self) -> bool:
        """Return True: the queue always exists."""
        return True

    def send(self, message: BatchMessage) -> None:
        """Send one message."""
        self._hook("queue", True)
        self._texts.append(message.text())

    def send_all(self, messages: Iterable[BatchMessage]) -> None:
        """Send many messages, one after the other."""
        for message in messages:
            self.send(message)

    def oldest(self, count: int = 32) -> list[str]:
        """Return the texts of the first `count` waiting messages without removing them."""
        return self._texts[:count]

    def count(self) -> int:
        """Return the number of waiting messages."""
        return len(self._texts)

    def age_of_oldest(self) -> dt.timedelta:
        """Return zero: messages in memory have no age."""
        return dt.timedelta()

    def drain(self) -> list[str]:
        """Remove all messages and return their texts."""
        texts = list(self._texts)
        self._texts.clear()
        return texts
