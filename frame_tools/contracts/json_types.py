"""Types of JSON values that people and programs send: text is no number, and true is not 1. And their JSON schemas."""

from collections.abc import Container, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Strict, StrictBool

MAX_EXACT: Final = 2**53
"""Beyond it, not every whole number is a JSON number of double precision."""


def _whole(value: object) -> object:
    """Return 96.0 as 96, which are the same number in JSON, and everything else unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT else value


def _version(value: object) -> object:
    """Return the number of a version; raises ValueError for true and false, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {str(value).lower()}")  # noqa: TRY004 - pydantic turns it into its own
    return value


WHOLE: Final = BeforeValidator(_whole)
"""Goes last into the annotation of a strict integer."""
Number = Annotated[float, Strict()]
Flag = StrictBool
FormVersion = Annotated[Literal[1], BeforeValidator(_version)]


def with_old_names(schema: dict[str, Any], renamed: Mapping[str, str], inverted: Container[str] = ()) -> None:
    """Add the old names of properties to the JSON schema of an object, deprecated, next to the new ones.

    Names that are `inverted` were true where the new one is false.
    """
    properties = schema["properties"]
    for old, new in renamed.items():
        if new in properties:
            what = f"The opposite of {new}" if old in inverted else f"The old name of {new}"
            properties[old] = {**properties[new], "deprecated": True, "description": f"{what}."}


def all_nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object each property of which may also be null."""
    properties = {name: {"anyOf": [each, {"type": "null"}]} for name, each in schema["properties"].items()}
    return {**schema, "properties": properties}
