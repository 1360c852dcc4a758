"""An HTTP server over the app's own functions and storage in memory, for browsers."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func

from frame_tools.storage.in_memory import InMemoryLinks
from local_cloud.function_host.triggers.http.routes import Route, find_route
from tests.support.host_call import FUNCTIONS, call
from tests.support.world import World

TYPES = {"jpg": "image/jpeg", "mp4": "video/mp4", "html": "text/html", "json": "application/json"}


@dataclass
class PageServer:
    """A running server: its address, its world, and the key that it asks for, if any."""

    url: str
    world: World
    key: str = ""
    person: str = ""
    """Id of the person whom App Service authentication names; empty for nobody."""
    has_entra: bool = False


def _routes() -> list[Route]:
    triggers = {name: each.get_trigger().get_dict_repr() for name, each in FUNCTIONS.items()}
    return [
        Route.of(
            SimpleNamespace(
                name=name,
                trigger=SimpleNamespace(
                    arguments={"route": trigger["route"], "methods": [method.value for method in trigger["methods"]]}
                ),
                auth_level=trigger["authLevel"],
            ),  # type: ignore[arg-type]
            "",
        )
        for name, trigger in triggers.items()
        if trigger["type"] == "httpTrigger"
    ]


class _Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Write nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._put_blob()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self) -> None:
        url, body = urlsplit(self.path), self._body()
        if url.path.startswith("/memory/"):
            self._blob(url.path.removeprefix("/memory/"))
            return
        match = find_route(self.server.routes, self.command, url.path)
        if match is None:
            self._send(404, b"")
            return
        route, parameters = match
        page: PageServer = self.server.page
        is_page = url.path.startswith("/ui")
        is_keyed = route.function.auth_level is not func.AuthLevel.ANONYMOUS  # type: ignore[attr-defined]
        needs_key = page.key and is_keyed and not (page.has_entra and is_page)
        if needs_key and self.headers.get("x-functions-key") != page.key:
            self._send(401, b"")
            return
        request = func.HttpRequest(
            method=self.command,
            url=page.url + self.path,
            headers=self._passed_headers(page),
            params=dict(parse_qsl(url.query)),
            route_params=parameters,
            body=body,
        )
        answer = call(route.function.name, request)
        headers = dict(answer.headers)
        headers.setdefault("Content-Type", f"{answer.mimetype}; charset={answer.charset}")
        self._send(answer.status_code, answer.get_body(), headers)

    def _passed_headers(self, page: PageServer) -> dict[str, str]:
        """Return the headers as App Service passes them: only it names who is signed in."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "x-ms-client-principal-id"}
        return headers | ({"x-ms-client-principal-id": page.person} if page.has_entra and page.person else {})

    def _blob(self, path: str) -> None:
        """Answer a blob, or the range of it that a video player asks for."""
        container, _, name = unquote(path).partition("/")
        blob = getattr(self.server.page.world.storage, container).read(name)
        if blob is None:
            self._send(404, b"")
            return
        headers = {"Content-Type": TYPES.get(name.rpartition(".")[2], "text/plain"), "Accept-Ranges": "bytes"}
        byte_range = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if byte_range is None:
            self._send(200, blob.data, headers)
            return
        start, end = int(byte_range[1]), int(byte_range[2] or len(blob.data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(blob.data)}"
        self._send(206, blob.data[start : end + 1], headers)

    def _put_blob(self) -> None:
        """Take a block, or the list of blocks that makes a blob."""
        url, body = urlsplit(self.path), self._body()
        container, _, name = unquote(url.path.removeprefix("/memory/")).partition("/")
        query, store = dict(parse_qsl(url.query)), self.server.page.world.storage
        writer = getattr(store, container).block_writer(name)
        if query.get("comp") == "block":
            writer.stage(query["blockid"], body)
        elif query.get("comp") == "blocklist":
            ids = re.findall(r"<(?:Latest|Uncommitted)>([^<]+)</", body.decode())
            getattr(store, container).delete(name)
            writer.commit(ids)
        else:
            getattr(store, container).write(name, body)
        self._send(201, b"")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(world: World, key: str = "") -> Iterator[PageServer]:
    """Serve the app's functions on a free port; the caller makes them use the world."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    server.page, server.routes = PageServer(url, world, key), _routes()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.page  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def links_of(page: PageServer) -> InMemoryLinks:
    """Return links to the blobs that the server answers."""
    return InMemoryLinks(f"{page.url}/memory")
