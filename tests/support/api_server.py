"""The app's HTTP functions behind a real HTTP server in this process."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.answers import operation_of
from tests.support.api_call import http_request
from tests.support.host_call import call


class _Handler(BaseHTTPRequestHandler):
    """Answers as the Functions host does: 404 without a body if no function has the route."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = operation_of(self.command, self.path)
        if operation is None:
            self._send(404, "", b"")
            return
        answer = call(operation, http_request(operation, self.command, self.path, body))
        self._send(answer.status_code, f"{answer.mimetype}; charset={answer.charset}", answer.get_body())

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = _answer  # noqa: N815

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def api_server() -> Iterator[str]:
    """Serve the functions; yield the server's URL. The caller replaces `function_app.application`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
