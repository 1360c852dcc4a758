"""What the schema says of its words to people: group, form, default, example; for help texts and docs/options.md."""

from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from frame_tools.contracts.trigger import Trigger


@dataclass(frozen=True, kw_only=True)
class Word:
    """One word of the trigger file."""

    name: str
    meaning: str
    group: str
    form: str
    """What it may be: its choices, its range, or in words."""
    kind: type
    """How a command line reads it: int, float, bool, or text for all else, which the schema then checks."""
    default: Any
    example: Any


def word_of(name: str) -> Word:
    """Return what the schema says of a word of `Trigger`."""
    field = Trigger.model_fields[name]
    said = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Word(
        name=name,
        meaning=str(field.description),
        group=str(said["group"]),
        form=str(said["form"]) or _form(field),
        kind=next((one for one in _kinds(field.annotation) if one in (bool, int, float)), str),
        default=field.get_default(call_default_factory=True),
        example=(field.examples or [None])[0],
    )


def all_words() -> list[Word]:
    """Return every word that a person may write, in the schema's order; `version` is written by programs."""
    return [word_of(name) for name in Trigger.model_fields if name != "version"]


def _form(field: FieldInfo) -> str:
    """Return a word's choices or range."""
    kind = next(one for one in _kinds(field.annotation) if one is not type(None))
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if kind is bool:
        return "true|false"
    bounds = {name: getattr(one, name) for one in _metadata(field) for name in ("ge", "le", "lt") if hasattr(one, name)}
    return f"{bounds['ge']:g}..{bounds['le'] if 'le' in bounds else bounds['lt'] - 1}"


def _metadata(field: FieldInfo) -> list[Any]:
    """Return a number's constraints; those of `int | None` are found one level down."""
    inner = [part for one in get_args(field.annotation) for part in getattr(one, "__metadata__", ())]
    return [*field.metadata, *(part for one in inner for part in getattr(one, "metadata", [one]))]


def _kinds(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, without what is said about them."""
    if get_origin(annotation) in (Union, UnionType):
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return _kinds(get_args(annotation)[0]) if get_origin(annotation) is Annotated else [annotation]
