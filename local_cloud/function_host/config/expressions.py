"""Binding expressions: what do `{name}`, `%SETTING%` and `{{` mean in a path, a queue name or a schedule?

A path with captures is matched as the real host does it: each capture takes as much as it can, slashes included, and
upper and lower case differ. `uploads/{name}/done` matches `uploads/a/b/done` with name `a/b`: apps must check captures.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

_SETTING = re.compile(r"%([^%]+)%")
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


class ExpressionError(ValueError):
    """An expression names a setting or a value that is not there."""


def resolve_settings(text: str, values: Mapping[str, str]) -> str:
    """Replace each `%NAME%` in `text` by the setting NAME."""

    def setting(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise ExpressionError(f"{text!r} needs the setting {match[1]}, which is not set") from None

    return _SETTING.sub(setting, text)


def expand(template: str, data: Mapping[str, object]) -> str:
    """Replace each `{name}` in `template` by the value of that name in `data` (names have no case).

    `{rand-guid}` becomes a new UUID; `{{` and `}}` are literal braces. Lists and objects cannot be expanded.
    """
    known = {name.lower(): value for name, value in data.items()}

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        name = match[1].lower()
        if name in {"rand-guid", "sys.randguid"}:
            return str(uuid.uuid4())
        found = known.get(name)
        if not isinstance(found, str | int | float):
            raise ExpressionError(
                f"no value for {{{match[1]}}} in {template!r}; the trigger offers {', '.join(sorted(data)) or 'none'}"
            )
        return str(found)

    return _TOKEN.sub(value, template)


@dataclass(frozen=True)
class PathPattern:
    """A blob trigger's path, `container/some/{capture}`: its literal container and what its blobs' names look like."""

    container: str
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, path: str) -> "PathPattern":
        """Read a path whose settings are resolved; a container alone means every blob in it."""
        container, slash, name = path.strip("/").partition("/")
        if not container or _TOKEN.search(container):
            raise ExpressionError(f"blob path {path!r} must begin with a container's plain name")
        return cls(container, re.compile(_name_regex(name) if slash and name else ".*", re.DOTALL))

    def captures(self, name: str) -> dict[str, str] | None:
        """The captures of a blob's name (without its container); None if the name does not match."""
        match = self._regex.fullmatch(name)
        return None if match is None else match.groupdict()


def _name_regex(name: str) -> str:
    pieces, position = [], 0
    for token in _TOKEN.finditer(name):
        pieces.append(re.escape(name[position : token.start()]))
        pieces.append(re.escape(token[0][0]) if token[1] is None else f"(?P<{token[1]}>.*)")
        position = token.end()
    return "".join(pieces) + re.escape(name[position:])
