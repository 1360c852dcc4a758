"""Bicep's functions, as far as the templates call them; one that is not here is an error, not a guess."""

import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Any, Final


class Unknown(str):
    """A value that only the deployment knows, written like an expression of ARM: [...]."""


class Refused(Exception):  # noqa: N818, it is an answer, not a mistake
    """The template itself refuses these parameters; the text is its message."""


def is_known(value: Any) -> bool:
    """Whether nothing in the value waits for the deployment."""
    if isinstance(value, Mapping):
        return all(map(is_known, value.values()))
    if isinstance(value, list):
        return all(map(is_known, value))
    return not isinstance(value, Unknown)


def text_of(value: Any) -> str:
    """Return the value as string() writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def combine(parts: list[Any]) -> Any:
    """Return the text of a string with ${...} in it."""
    text = "".join(map(text_of, parts))
    return text if all(map(is_known, parts)) else Unknown(text)


def _union(*values: Any) -> Any:
    if all(isinstance(value, Mapping) for value in values):
        return dict(chain.from_iterable(value.items() for value in values))
    found: list[Any] = []
    for item in chain(*values):
        if item not in found:
            found.append(item)
    return found


def _subnet(network: str, bits: int, index: int) -> str:
    return str(next(islice(ipaddress.ip_network(network).subnets(new_prefix=bits), index, None)))


def _digest(values: Iterable[Any]) -> str:
    return hashlib.sha256("\n".join(map(str, values)).encode()).hexdigest()


def _fail(message: str) -> None:
    raise Refused(message)


# Of lists whose items may be unknown, and of the deployment's own surroundings.
_ANY: Final[Mapping[str, Callable[..., Any]]] = {
    "concat": lambda *lists: list(chain(*lists)),
    "empty": lambda value: not value,
    "environment": lambda: {"suffixes": {"storage": "core.windows.net"}},
    "fail": _fail,
    "flatten": lambda lists: list(chain(*lists)),
    "guid": lambda *values: "guid-" + _digest(values)[:12],
    "map": lambda items, function: [function(item) for item in items],
    "readEnvironmentVariable": lambda _name, default: default,
    "resourceGroup": lambda: {"id": Unknown("[resourceGroup().id]"), "location": "westeurope"},
    "subscription": lambda: {"id": Unknown("[subscription().id]")},
    "union": _union,
    "uniqueString": lambda *values: _digest(values)[:13],
    "utcNow": lambda _form: "2026-01-01",
}
# Of values that are all known; else the answer is unknown too.
_PURE: Final[Mapping[str, Callable[..., Any]]] = {
    "cidrSubnet": _subnet,
    "contains": lambda where, what: what in where,
    "max": max,
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, sign: text.split(sign),
    "string": text_of,
    "substring": lambda text, start, length: text[start : start + length],
    "take": lambda value, count: value[:count],
}
_AZURE: Final = ("listKeys", "resourceId", "subscriptionResourceId")


def call(name: str, arguments: list[Any]) -> Any:
    """Return what the function answers."""
    if name in _ANY:
        return _ANY[name](*arguments)
    if name in _PURE and is_known(arguments):
        return _PURE[name](*arguments)
    assert name in _PURE or name in _AZURE, f"the function {name} is not known here"
    return Unknown(f"[{name}({', '.join(map(str, arguments))})]")
