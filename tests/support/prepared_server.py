"""A stand-in for the app's HTTP interface: returns prepared responses and records the requests."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A received request."""

    path: str
    key: str | None
    body: bytes


class PreparedServer(ThreadingHTTPServer):
    """Returns the prepared (status, body) in turn, the last one for all further requests."""

    def __init__(self, responses: list[tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.responses = responses
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    @property
    def options(self) -> list[str]:
        """Command-line options that name this server."""
        return ["--api", self.url, "--key", "secret"]


class _Handler(BaseHTTPRequestHandler):
    server: PreparedServer

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(Request(self.path, self.headers.get("x-functions-key"), body))
        responses = self.server.responses
        status, content = responses.pop(0) if len(responses) > 1 else responses[0]
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Write no log: tests check `requests`."""


@contextmanager
def prepared_server(*responses: tuple[int, Any]) -> Iterator[PreparedServer]:
    """Run a server with these responses."""
    with PreparedServer(list(responses)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
