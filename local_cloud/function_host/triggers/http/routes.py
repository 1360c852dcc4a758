"""Routes: which function answers this path and method, and what are its route parameters?

Templates are ASP.NET's, as far as functions use them: `{x}`, `{x?}`, `{x:int}`, `{*rest}`; case does not matter. Where
several fit, a literal segment goes before a constrained parameter, that before a free one, and a catch-all comes last.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from local_cloud.function_host.invocation.functions import Function

_PARAMETER = re.compile(r"\{(\*?)([A-Za-z_]\w*)(?::(\w+))?(\??)\}")
_CONSTRAINTS = {
    "int": r"-?\d+",
    "alpha": "[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
_ANY_SEGMENT = "[^/]+"


class RouteError(ValueError):
    """A route template that this host does not understand."""


@dataclass(frozen=True)
class Route:
    """A function's route with the prefix of all routes before it."""

    function: Function
    methods: frozenset[str]
    """In upper case; empty: all."""
    rank: tuple[int, ...]
    """Per segment, smaller is more particular; the order in which routes are tried."""
    regex: re.Pattern[str]

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """Read an HTTP trigger; its default route is the function's name. Raises RouteError."""
        arguments = function.trigger.arguments
        template = f"{prefix}/{(arguments.get('route') or function.name).strip('/')}".strip("/")
        segments = [_segment(text, template) for text in template.split("/")]
        return cls(
            function,
            methods=frozenset(str(method).upper() for method in arguments.get("methods") or ()),
            rank=tuple(rank for rank, _ in segments),
            regex=re.compile("".join(regex for _, regex in segments) + "/?", re.IGNORECASE),
        )

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route parameters of a raw (percent-encoded) path; None if method or path do not fit."""
        found = self.regex.fullmatch(path)
        if found is None or (self.methods and method.upper() not in self.methods):
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value is not None}


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The most particular route that fits, and its parameters."""
    for route in sorted(routes, key=lambda one: one.rank):
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    return None


def _segment(text: str, template: str) -> tuple[int, str]:
    """Rank and regex of one segment, slash included."""
    parameter = _PARAMETER.fullmatch(text)
    if parameter is None:
        if "{" in text or "}" in text:
            raise RouteError(
                f"route {template!r}: segment {text!r} is not understood; use {{x}}, {{x?}}, {{x:int}} or {{*rest}}"
            )
        return 0, "/" + re.escape(text)
    catch_all, name, constraint, optional = parameter.groups()
    if catch_all:
        return 4, f"(?:/(?P<{name}>.*))?"
    if constraint and constraint not in _CONSTRAINTS:
        raise RouteError(f"route {template!r}: constraint {constraint!r} is not one of {', '.join(_CONSTRAINTS)}")
    value = f"/(?P<{name}>{_CONSTRAINTS[constraint] if constraint else _ANY_SEGMENT})"
    if optional:
        return 3, f"(?:{value})?"
    return (1 if constraint else 2), value
