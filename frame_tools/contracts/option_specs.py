"""Option metadata: each field of the trigger schema carries its meaning, group, values, default and example.

Help texts of the command line and docs/options.md are generated from it.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

from frame_tools.contracts.base import number_bounds


class OptionGroup(StrEnum):
    """The sections of help texts and of docs/options.md; the value is the section's title."""

    SCORER_AND_STYLE = "Scorer and style"
    APPEARANCE = "Appearance"
    TEMPORAL = "Temporal consistency"
    OUTPUT = "Tasks and output"
    INPUT = "Input"


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """What users are told about one option."""

    name: str
    meaning: str
    group: OptionGroup
    form: str
    """Its values: the choices, the range, or a description."""
    kind: type
    """How a command line parses it: bool, int or float, or str for everything else, which the schema then parses."""
    default: Any
    example: Any


def option(default: Any, meaning: str, *, example: object, group: OptionGroup, form: str = "") -> Any:
    """Declare an option of the schema; `form` describes its values where the type does not."""
    return Field(default, description=meaning, examples=[example], json_schema_extra={"group": group, "form": form})


def spec_of(name: str, field: FieldInfo) -> OptionSpec:
    """Return the metadata of the option `name`, which was declared with `option`."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return OptionSpec(
        name=name,
        meaning=str(field.description),
        group=OptionGroup(str(extra["group"])),
        form=str(extra["form"]) or _form(field),
        kind=next((kind for kind in _member_types(field.annotation) if kind in (bool, int, float)), str),
        default=field.get_default(call_default_factory=True),
        example=(field.examples or [None])[0],
    )


def _form(field: FieldInfo) -> str:
    """Return the choices or the range of an option."""
    kind = next(kind for kind in _member_types(field.annotation) if kind is not type(None))
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if kind is bool:
        return "true|false"
    bounds = number_bounds(field)
    return f"{bounds['ge']:g}..{bounds['le'] if 'le' in bounds else bounds['lt'] - 1}"


def _member_types(annotation: Any) -> list[Any]:
    """Return the members of a union, without their annotations."""
    if get_origin(annotation) in (Union, UnionType):
        return [kind for argument in get_args(annotation) for kind in _member_types(argument)]
    return _member_types(get_args(annotation)[0]) if get_origin(annotation) is Annotated else [annotation]
