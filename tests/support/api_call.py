"""Calls of the app's HTTP functions by method and URL, as the host makes them."""

import json
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func

from tests.support.answers import operation_of, operations
from tests.support.host_call import call


class ApiCall(Protocol):
    """Returns status and JSON body of an answer; `body` is sent as JSON unless it is bytes."""

    def __call__(self, method: str, url: str, body: Any = b"") -> tuple[int, Any]: ...


def api_call(method: str, url: str, body: Any = b"") -> tuple[int, Any]:
    """Call the function that the host would call; as in the host, values of a repeated parameter are joined."""
    operation = operation_of(method, url)
    assert operation is not None, f"no function answers {method} {url}"
    answer = call(operation, http_request(operation, method, url, body))
    return answer.status_code, json.loads(answer.get_body())


def http_request(operation: str, method: str, url: str, body: Any = b"") -> func.HttpRequest:
    """Return the request as the worker passes it to the function of the operation."""
    parts = urlsplit(url)
    template = operations()[operation][1]
    segments = zip(template.strip("/").split("/"), parts.path.strip("/").split("/"), strict=True)
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query):
        query[name] = f"{query[name]},{value}" if name in query else value
    return func.HttpRequest(
        method=method,
        url=f"http://localhost{url}",
        params=query,
        route_params={name[1:-1]: unquote(value) for name, value in segments if name.startswith("{")},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
