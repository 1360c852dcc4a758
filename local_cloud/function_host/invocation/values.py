"""Values of a call: what a function receives, and its result."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure_functions_runtime.bindings.datumdef import Datum as Datum


class AppLoadError(Exception):
    """The app cannot be indexed; the message is the worker's message and traceback."""


def text_datum(value: str) -> Datum:
    """Return a value that the function receives as text."""
    return Datum(value, "string")


def json_datum(value: object) -> Datum:
    """Return a value that the function's library parses as JSON."""
    return Datum(json.dumps(value), "json")


def bytes_datum(value: bytes) -> Datum:
    """Return a value that the function receives as bytes."""
    return Datum(value, "bytes")


def http_datum(request: Mapping[str, Any]) -> Datum:
    """Return an HTTP request: method, url, headers, params, query and body, each a Datum or a mapping of them."""
    return Datum(request, "http")


@dataclass(frozen=True)
class InvocationResult:
    """The result of a call: return value and outputs, or the error's last line and traceback."""

    ok: bool
    returned: Datum | None = None
    outputs: Mapping[str, Datum] | None = None
    error: str = ""
    trace: str = ""

    def output(self, name: str) -> Datum | None:
        """Return the value of an output binding (`$return` for the return value); None if the function set none."""
        datum = self.returned if name == "$return" else (self.outputs or {}).get(name)
        return None if datum is None or datum.value is None else datum


@dataclass(frozen=True)
class RetryContext:
    """The attempt number that the function's context shows: retry 0 of `max_retries` is the first attempt."""

    retry: int = 0
    max_retries: int = 0
