"""HTTP routes: which function answers a path and method, and its route parameters.

Templates follow ASP.NET: `{x}`, `{x?}`, `{x:int}`, `{*rest}`, case-insensitive. If several match, a literal segment
precedes a constrained parameter, which precedes an unconstrained one; a catch-all is last.
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
    """A route template is not supported."""


@dataclass(frozen=True)
class Route:
    """A function's route, including the common prefix."""

    function: Function
    methods: frozenset[str]
    """Uppercase HTTP methods; empty means all."""
    rank: tuple[int, ...]
    """One rank per segment, lower is more specific; routes are tried in this order."""
    regex: re.Pattern[str]

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """Build the route of an HTTP trigger; the default route is the function's name. Raises RouteError."""
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
        """Return the route parameters of a raw (percent-encoded) path; None if method or path do not match."""
        matched = self.regex.fullmatch(path)
        if matched is None or (self.methods and method.upper() not in self.methods):
            return None
        return {name: unquote(value) for name, value in matched.groupdict().items() if value is not None}


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the most specific matching route and its parameters, or None."""
    for route in sorted(routes, key=lambda route: route.rank):
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    return None


def _segment(text: str, template: str) -> tuple[int, str]:
    """Return rank and regex of one segment, including its slash."""
    parameter = _PARAMETER.fullmatch(text)
    if parameter is None:
        if "{" in text or "}" in text:
            raise RouteError(
                f"route {template!r}: segment {text!r} is not supported; use {{x}}, {{x?}}, {{x:int}} or {{*rest}}"
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
