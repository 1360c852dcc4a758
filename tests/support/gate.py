"""A gate in front of a service: while it is closed, the service cannot be reached, as if its process had ended."""

import contextlib
import socket
import threading
from collections.abc import Iterator

CHUNK_BYTES = 64 * 2**10


class Gate:
    """Forwards TCP connections to a port of this machine, while it is open."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start()

    def open(self) -> None:
        """Let connections through again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start()

    def close(self) -> None:
        """Refuse new connections and break those that exist."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            broken, self._connections = self._connections, []
        for connection in broken:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _start(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                incoming, _ = listener.accept()
                outgoing = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # the gate was closed
                return
            with self._lock:
                self._connections += [incoming, outgoing]
            for source, target in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Forward bytes until either side ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class SilentServer:
    """Accepts connections and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.connections.append(self._listener.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        """End the server and its connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self.connections):
            each.close()


@contextlib.contextmanager
def gate_to(port: int) -> Iterator[Gate]:
    """Yield an open gate to a port."""
    gate = Gate(port)
    try:
        yield gate
    finally:
        gate.close()


@contextlib.contextmanager
def silent_server() -> Iterator[SilentServer]:
    """Yield a server that never answers."""
    server = SilentServer()
    try:
        yield server
    finally:
        server.close()
