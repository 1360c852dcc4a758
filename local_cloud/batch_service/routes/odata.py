"""OData query options of list operations: $filter (a subset), $select, maxresults and paging.

$filter supports `field eq 'text'`, `field ne 'text'` and `startswith(field, 'text')`, joined by `and`; a field may be a
path (`executionInfo/result`). Anything else is rejected. $expand has no effect.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from local_cloud.batch_service.contracts.errors import BatchError

MAX_RESULTS = 1000
_TEXT = r"'(?P<text>(?:[^']|'')*)'"
_COMPARISON = re.compile(rf"(?P<field>[\w/]+)\s+(?P<operator>eq|ne)\s+{_TEXT}")
_PREFIX = re.compile(rf"startswith\(\s*(?P<field>[\w/]+)\s*,\s*{_TEXT}\s*\)")

Entity = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list; `next_token` is the key after which the next page starts, None for the last page."""

    items: list[dict[str, Any]]
    next_token: str | None


def paginate(
    entities: Sequence[Entity], query: Mapping[str, str], *, key: str = "id", names: Set[str] | None = None
) -> Page:
    """Return the requested page of `entities`, sorted by `key`. Raises BatchError (InvalidQueryParameterValue).

    `names` are the valid property names, which are case-sensitive; None accepts all.
    """
    matches = _filter(query.get("$filter"), names)
    size = _size(query.get("maxresults"))
    token = query.get("$skiptoken")
    chosen = [entity for entity in entities if matches(entity) and (token is None or entity[key].lower() > token)]
    page, rest = chosen[:size], chosen[size:]
    select = query.get("$select")
    _check_select(select, names)
    items = [select_properties(entity, select, names=names) for entity in page]
    return Page(items, page[-1][key].lower() if rest else None)


def select_properties(entity: Entity, select: str | None, *, names: Set[str] | None = None) -> dict[str, Any]:
    """Return only the properties that `$select` lists (None: all). Raises BatchError for one outside `names`."""
    selected = _check_select(select, names)
    if selected is None:
        return dict(entity)
    return {name: value for name, value in entity.items() if name in selected or name.startswith("odata.")}


def _check_select(select: str | None, names: Set[str] | None) -> set[str] | None:
    if select is None:
        return None
    selected = {name.strip() for name in select.split(",")}
    for name in sorted(selected):
        _check_name("$select", select, name, names=names)
    return selected


def _check_name(parameter: str, text: str, name: str, *, names: Set[str] | None) -> None:
    if names is not None and name not in names:
        raise _invalid(
            parameter, text, reason=f"property names, which {name!r} is not; valid: {', '.join(sorted(names))}"
        )


def _size(text: str | None) -> int:
    if text is None:
        return MAX_RESULTS
    if not text.isdecimal() or not 1 <= int(text) <= MAX_RESULTS:
        raise _invalid("maxresults", text, reason=f"an integer from 1 to {MAX_RESULTS}")
    return int(text)


def _filter(text: str | None, names: Set[str] | None) -> Callable[[Entity], bool]:
    if text is None:
        return lambda entity: True
    clauses = _clauses(text, names)
    return lambda entity: all(clause(entity) for clause in clauses)


def _clauses(text: str, names: Set[str] | None) -> list[Callable[[Entity], bool]]:
    clauses: list[Callable[[Entity], bool]] = []
    rest = text.strip()
    while True:
        match = _COMPARISON.match(rest) or _PREFIX.match(rest)
        if match is None:
            raise _invalid("$filter", text, reason="field eq|ne 'text' or startswith(field, 'text'), joined by and")
        _check_name("$filter", text, match["field"].split("/")[0], names=names)
        clauses.append(_clause(match))
        rest = rest[match.end() :].strip()
        if not rest:
            return clauses
        joined = re.match(r"and\s+", rest)
        if joined is None:
            raise _invalid("$filter", text, reason="conditions joined by and")
        rest = rest[joined.end() :]


def _clause(match: re.Match[str]) -> Callable[[Entity], bool]:
    path = match["field"].split("/")
    value_text = match["text"].replace("''", "'")
    operator = match.groupdict().get("operator", "startswith")

    def holds(entity: Entity) -> bool:
        value: Any = entity
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if operator == "startswith":
            return isinstance(value, str) and value.startswith(value_text)
        return (value == value_text) is (operator == "eq")

    return holds


def _invalid(name: str, value: str, *, reason: str) -> BatchError:
    values = {"QueryParameterName": name, "QueryParameterValue": value, "Reason": f"wanted: {reason}"}
    return BatchError("InvalidQueryParameterValue", values=values)
