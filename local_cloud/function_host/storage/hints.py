"""Hints of the local storage emulator that something has been written, so that listeners need not wait for their poll.

A hint is a datagram, "queue NAME" or "container NAME", to the UDP port whose number is that of the host's TCP port
(local_cloud/azurite/write_hints.cjs sends them). None is ever needed: one that is lost, wrong or repeated costs at most
a poll.
"""

import asyncio
import logging
from collections import defaultdict
from typing import Literal, cast

Kind = Literal["queue", "container"]
_KINDS = ("queue", "container")
_MAX_NAME = 63  # characters of the name of a queue or container
_log = logging.getLogger(__name__)


class WriteHints(asyncio.DatagramProtocol):
    """Sets the events of those who listen to a queue or container that was written to."""

    def __init__(self) -> None:
        self._events: defaultdict[tuple[Kind, str], list[asyncio.Event]] = defaultdict(list)
        self._transport: asyncio.BaseTransport | None = None

    def subscribe(self, kind: Kind, name: str, event: asyncio.Event) -> None:
        """Set the event at each hint about the queue or container, whatever its account."""
        self._events[kind, name].append(event)

    async def listen(self, port: int) -> None:
        """Receive hints until `close`; without the port the listeners only poll, which is logged."""
        try:
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", port))
        except OSError as error:
            _log.warning("Hints about writes cannot be received, so listeners only poll: %s", error)

    def close(self) -> None:
        """Receive no more."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Set the events of one hint; ignore what is none."""
        kind, _, name = data[: len("container ") + _MAX_NAME].decode("utf-8", "replace").partition(" ")
        if kind in _KINDS:
            for event in self._events.get((cast("Kind", kind), name), ()):
                event.set()
