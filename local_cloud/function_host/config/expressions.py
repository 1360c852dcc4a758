"""Binding expressions: `{name}`, `%SETTING%` and `{{` in paths, queue names and schedules.

Paths with captures are matched as in the real host: captures are greedy, include slashes and are case-sensitive.
`uploads/{name}/done` matches `uploads/a/b/done` with `name` = `a/b`, so apps must validate captures.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

_SETTING = re.compile(r"%([^%]+)%")
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


class ExpressionError(ValueError):
    """An expression refers to a setting or value that does not exist."""


def resolve_settings(text: str, values: Mapping[str, str]) -> str:
    """Replace each `%NAME%` in `text` by the setting NAME. Raises ExpressionError for a missing setting."""

    def setting(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise ExpressionError(f"{text!r} needs the setting {match[1]}, which is not set; set it") from None

    return _SETTING.sub(setting, text)


def expand(template: str, data: Mapping[str, object]) -> str:
    """Replace each `{name}` in `template` by the value of that name in `data` (case-insensitive).

    `{rand-guid}` becomes a new UUID; `{{` and `}}` are literal braces. Raises ExpressionError for a missing name, a
    list or an object.
    """
    values = {name.lower(): value for name, value in data.items()}

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name = match[1].lower()
        if name in {"rand-guid", "sys.randguid"}:
            return str(uuid.uuid4())
        item = values.get(name)
        if not isinstance(item, str | int | float):
            raise ExpressionError(
                f"no value for {{{match[1]}}} in {template!r}; the trigger provides {', '.join(sorted(data)) or 'none'}"
            )
        return str(item)

    return _TOKEN.sub(value, template)


@dataclass(frozen=True)
class PathPattern:
    """The path of a blob trigger, `container/some/{capture}`: a literal container and a pattern for blob names."""

    container: str
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, path: str) -> "PathPattern":
        """Parse a path whose settings are resolved; a container alone matches all its blobs. Raises ExpressionError."""
        container, slash, name = path.strip("/").partition("/")
        if not container or _TOKEN.search(container):
            raise ExpressionError(f"blob path {path!r} must begin with a literal container name")
        return cls(container, re.compile(_name_regex(name) if slash and name else ".*", re.DOTALL))

    def captures(self, name: str) -> dict[str, str] | None:
        """Return the captures of a blob name (without container); None if the name does not match."""
        match = self._regex.fullmatch(name)
        return None if match is None else match.groupdict()


def _name_regex(name: str) -> str:
    pieces, position = [], 0
    for token in _TOKEN.finditer(name):
        pieces.append(re.escape(name[position : token.start()]))
        pieces.append(re.escape(token[0][0]) if token[1] is None else f"(?P<{token[1]}>.*)")
        position = token.end()
    return "".join(pieces) + re.escape(name[position:])
