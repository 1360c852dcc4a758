"""The connection between the host and a worker process: pickled values, each after its length in bytes.

Both ends are this program, on a socket pair that nobody else can reach, so the pickles can be trusted.
"""

import asyncio
import pickle
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local_cloud.function_host.invocation.functions import Function
from local_cloud.function_host.invocation.values import Datum, InvocationResult, RetryContext

_LENGTH = struct.Struct("!Q")


@dataclass(frozen=True)
class Loaded:
    """The worker's first value: the app's functions; or, if `error` is set, why the app could not be loaded."""

    functions: tuple[Function, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Call:
    """A call that the host requests."""

    invocation_id: str
    function: Function
    inputs: Sequence[tuple[str, Datum | None]]
    metadata: Mapping[str, Datum]
    attempt: RetryContext


@dataclass(frozen=True)
class Answer:
    """The result of a call."""

    invocation_id: str
    result: InvocationResult


Value = Loaded | Call | Answer


def write(value: Value) -> bytes:
    """Return a value as it is sent."""
    content = pickle.dumps(value)
    return _LENGTH.pack(len(content)) + content


async def read(reader: asyncio.StreamReader) -> Value | None:
    """Return the next value; None if the other end is closed."""
    try:
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return _value(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def read_blocking(connection: socket.socket) -> Value | None:
    """Return the next value; None if the other end is closed."""
    header = _receive(connection, _LENGTH.size)
    content = _receive(connection, _LENGTH.unpack(header)[0]) if header else b""
    return _value(content) if content else None


def _receive(connection: socket.socket, size: int) -> bytes:
    """Return exactly `size` bytes, or none if the other end is closed."""
    content = bytearray(size)
    view, position = memoryview(content), 0
    while position < size:
        try:
            count = connection.recv_into(view[position:])
        except ConnectionError:
            return b""
        if not count:
            return b""
        position += count
    return bytes(content)


def _value(content: bytes) -> Value:
    value: Value = pickle.loads(content)  # noqa: S301 - see above
    return value
