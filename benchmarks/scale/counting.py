"""Counting of HTTP requests below the storage SDK, answered by a service in memory or by a real one."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from benchmarks.scale.service import HOST, StorageService

ROUND_TRIP: Final = 0.01
"""Seconds of one request, by which counts become the time of a function near its storage."""


@dataclass
class Requests:
    """The requests of a measured call."""

    kinds: Counter[str] = field(default_factory=Counter)
    """By kind: read, head, list, write, append, block, commit, lease, delete, send, peek."""
    threads: Counter[str] = field(default_factory=Counter)
    """By thread pool: the part of the thread's name before its number; requests outside of pools are the caller's."""
    received: int = 0
    """Bytes of answers."""
    service_seconds: float = 0.0
    """CPU that the service in memory took."""

    @property
    def total(self) -> int:
        """The number of requests."""
        return self.kinds.total()

    def serial(self, pools: Mapping[str, int]) -> int:
        """Return how many requests follow each other, if pools of these sizes share theirs evenly."""
        return sum(ceil(count / pools.get(pool, 1)) for pool, count in self.threads.items())


def kind_of(method: str, url: str) -> str:
    """Return the kind of a request to a storage account whose URLs have the account's name in the path."""
    parts = urlsplit(url)
    comp = parse_qs(parts.query).get("comp", [""])[0]
    segments = parts.path.split("/")[2:]
    if segments[1:2] == ["messages"]:
        return "send" if method == "POST" else "peek"
    if comp in ("list", "lease", "block"):
        return comp
    if comp in ("appendblock", "blocklist"):
        return {"appendblock": "append", "blocklist": "commit"}[comp]
    return {"GET": "read", "HEAD": "head", "DELETE": "delete"}.get(method, "write")


@contextmanager
def counting(service: StorageService | None = None) -> Iterator[Requests]:
    """Count the requests of all storage clients in the `with` block, of whatever thread.

    Those to the host of `service` are answered by it, without a network.
    """
    requests, lock, send = Requests(), threading.Lock(), HTTPAdapter.send

    def counted(adapter: HTTPAdapter, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        url, began = str(request.url), time.thread_time()
        if service is not None and urlsplit(url).hostname == HOST:
            response = service.answer(adapter, request)
            taken = time.thread_time() - began
        else:
            response, taken = send(adapter, request, *args, **options), 0.0
        with lock:
            requests.kinds[kind_of(str(request.method), url)] += 1
            requests.threads[threading.current_thread().name.partition("_")[0]] += 1
            requests.received += int(response.headers.get("Content-Length", 0))
            requests.service_seconds += taken
        return response

    with patch.object(HTTPAdapter, "send", counted):
        yield requests
