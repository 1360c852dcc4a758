"""HTTP requests and responses of functions, with a stand-in for the invoker."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from local_cloud.function_host.config.settings import DEFAULT_BODY_BYTES
from local_cloud.function_host.invocation.functions import Binding, Function
from local_cloud.function_host.invocation.invoker import TriggerEvent
from local_cloud.function_host.invocation.values import InvocationResult, text_datum
from local_cloud.function_host.triggers.http.cors import Cors
from local_cloud.function_host.triggers.http.routes import Route
from local_cloud.function_host.triggers.http.server import HttpServer, to_response


def function(name: str, **arguments: object) -> Function:
    trigger = Binding("req", "httptrigger", is_output=False, arguments={"authLevel": "anonymous", **arguments})
    output = Binding("$return", "http", is_output=True, arguments={})
    return Function(name, name, trigger, inputs=(), outputs=(output,), retry=None)


class RecordingInvoker:
    """Records the HTTP requests that functions receive."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def invoke(self, function: Function, event: TriggerEvent) -> InvocationResult:
        self.requests.append(event.datum.value)
        return InvocationResult(ok=True, returned=text_datum(function.name))


def send(
    *paths: str,
    body: bytes = b"",
    route: str = "echo",
    prefix: str = "api",
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    cors: str = "",
    max_body_bytes: int = DEFAULT_BODY_BYTES,
) -> tuple[list[int], list[dict[str, Any]]]:
    """Send requests to a server with one function; return the statuses and the function's requests."""
    invoker: Any = RecordingInvoker()
    unused: Any = None
    server = HttpServer(
        [Route.of(function("echo", route=route), prefix)],
        invoker,
        blob_queue=unused,
        event_webhook=unused,
        timers=(),
        keys=None,
        host_id="id",
        cors=Cors.parse(cors),
        max_body_bytes=max_body_bytes,
    )

    async def run() -> list[int]:
        async with TestClient(TestServer(server.application())) as client:
            return [(await client.request(method, path, data=body, headers=headers)).status for path in paths]

    return asyncio.run(run()), invoker.requests


@pytest.mark.parametrize(("output", "status"), [("$return", 500), ("named", 200)])
def test_missing_response(output: str, status: int) -> None:
    http = Binding(output, "http", is_output=True, arguments={})
    assert to_response(replace(function("f"), outputs=(http,)), InvocationResult(ok=True)).status == status


def test_repeated_query_values_are_joined() -> None:
    statuses, (received,) = send("/api/echo?x=1&x=2&empty=")
    assert statuses == [200]
    assert {name: datum.value for name, datum in received["query"].items()} == {"x": "1,2"}


def test_empty_header_reaches_function() -> None:
    _, (received,) = send("/api/echo", headers={"X-Empty": "", "X-Full": "a"})
    assert [received["headers"][name].value for name in ("x-empty", "x-full")] == ["", "a"]


def test_too_large_body_is_server_error() -> None:
    assert send("/api/echo", body=b"x" * 11, max_body_bytes=10) == ([500], [])
    assert send("/api/echo", body=b"x" * 10, max_body_bytes=10)[0] == [200]


def test_home_page_is_last_resort() -> None:
    assert send("/", "/other")[0] == [200, 404]
    statuses, received = send("/", route="{*path}", prefix="")
    assert (statuses, len(received)) == ([200], 1)


def test_ping_accepts_post() -> None:
    assert send("/admin/host/ping") == ([200], [])


def test_preflight_request_does_not_reach_function() -> None:
    headers = {"Origin": "http://page", "Access-Control-Request-Method": "POST"}
    assert send("/api/echo", headers=headers, cors="http://page", method="OPTIONS") == ([204], [])
    assert send("/api/echo", headers=headers, method="OPTIONS")[0] == [200]
