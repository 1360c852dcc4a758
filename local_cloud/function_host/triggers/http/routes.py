"""HTTP routes: which function answers a path and method, and its route parameters.

Templates follow ASP.NET: `{x}`, `{x?}`, `{x:int}`, `{*rest}`, case-insensitive. As in the real host, routes are tried
in the alphabetical order of the function names, not by how specific they are: a catch-all needs a late name.
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
_ENCODED_SLASH = re.compile("(%2F)", re.IGNORECASE)


class RouteError(ValueError):
    """A route template is not supported."""


@dataclass(frozen=True)
class Route:
    """A function's route, including the common prefix."""

    function: Function
    methods: frozenset[str]
    """Uppercase HTTP methods; empty means all."""
    regex: re.Pattern[str]

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """Build the route of an HTTP trigger; the default route is the function's name. Raises RouteError."""
        arguments = function.trigger.arguments
        template = f"{prefix}/{(arguments.get('route') or function.name).strip('/')}".strip("/")
        segments = "".join(_segment(text, template) for text in template.split("/"))
        return cls(
            function,
            methods=frozenset(str(method).upper() for method in arguments.get("methods") or ()),
            regex=re.compile(f"{segments}/?", re.IGNORECASE),
        )

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the route parameters of a raw (percent-encoded) path; None if method or path do not match.

        As in ASP.NET, an encoded slash (`%2F`) stays encoded.
        """
        matched = self.regex.fullmatch(path)
        if matched is None or (self.methods and method.upper() not in self.methods):
            return None
        return {name: _decode(value) for name, value in matched.groupdict().items() if value is not None}


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the matching route whose function has the first name in the alphabet, and its parameters, or None."""
    for route in sorted(routes, key=lambda route: route.function.name.lower()):
        parameters = route.match(method, path)
        if parameters is not None:
            return route, parameters
    return None


def _decode(value: str) -> str:
    return "".join(part if part.upper() == "%2F" else unquote(part) for part in _ENCODED_SLASH.split(value))


def _segment(text: str, template: str) -> str:
    """Return the regex of one segment, including its slash."""
    parameter = _PARAMETER.fullmatch(text)
    if parameter is None:
        if "{" in text or "}" in text:
            raise RouteError(
                f"route {template!r}: segment {text!r} is not supported; use {{x}}, {{x?}}, {{x:int}} or {{*rest}}"
            )
        return "/" + re.escape(text)
    catch_all, name, constraint, optional = parameter.groups()
    if catch_all:
        return f"(?:/(?P<{name}>.*))?"
    if constraint and constraint not in _CONSTRAINTS:
        raise RouteError(f"route {template!r}: constraint {constraint!r} is not one of {', '.join(_CONSTRAINTS)}")
    value = f"/(?P<{name}>{_CONSTRAINTS[constraint] if constraint else _ANY_SEGMENT})"
    return f"(?:{value})?" if optional else value
