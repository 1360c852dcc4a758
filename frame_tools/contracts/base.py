"""JSON documents: immutable, versioned and validated.

Two kinds of documents are read in two ways. `parse_input` parses what a user or operator wrote: an error is theirs to
fix (`InputError`). `load_stored` loads what Impasto wrote: a form that this version does not know, because another
version wrote it, is a temporary error that names both versions (`VersionSkewError`); anything else is damage
(`DamagedError`).
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from frame_tools.contracts.errors import DamagedError, InputError, VersionSkewError
from frame_tools.contracts.suggestions import MAX_ECHO_CHARS, did_you_mean
from frame_tools.contracts.version import IMPASTO_VERSION

MAX_REPORTED_ERRORS: Final = 3
_QUOTED: Final = re.compile(r"'([^']*)'")
"""A choice as pydantic lists them: 'no', 'luma' or 'statistics'."""
_BOUND_ERRORS: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_NUMBER_ERRORS: Final = (*_BOUND_ERRORS, "float_parsing", "float_type", "int_parsing", "int_type", "int_from_float")
_TYPE_ERRORS: Final = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""What a value of the wrong type had to be."""


class Document(BaseModel):
    """An immutable JSON document that rejects unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="utf8")

    @classmethod
    def parse_input(cls, data: bytes | str, what: str) -> Self:
        """Parse a document that a user or operator wrote; `what` is its name in messages.

        Raises InputError that lists at most three errors.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InputError(*explain_validation_error(error, what, cls)) from None

    def dumps(self) -> bytes:
        """Return the document as UTF-8 JSON without fields that are None; equal documents give equal bytes."""
        return (self.model_dump_json(indent=1, exclude_none=True) + "\n").encode()


class StoredDocument(Document):
    """A document that Impasto writes and reads again, possibly in another version.

    A subclass declares a field `version`: a Literal of all versions that it reads, with the one that it writes as the
    default.
    """

    document_name: ClassVar[str]
    """The document's name in messages."""
    max_bytes: ClassVar[int] = 4 * 2**20
    max_values: ClassVar[int] = 100_000
    """Limits of what is parsed: a parser takes up to a kilobyte for each value, and nodes write some documents."""

    impasto_version: str = IMPASTO_VERSION
    """Version of Impasto that wrote the document; empty if that version did not record it."""

    @classmethod
    def load_stored(cls, data: bytes | str) -> Self:
        """Load a document that Impasto wrote.

        Raises VersionSkewError if another version of Impasto wrote it in a form that this one does not know,
        DamagedError if it is invalid for any other reason, or larger than any that Impasto writes.
        """
        if excess := cls._excess(data):
            raise DamagedError(f"The stored {cls.document_name} has {excess}", "Start a new run")
        try:
            document = cls.model_validate_json(data)
        except ValidationError as error:
            raise cls._load_error(error, data) from None
        if "impasto_version" in document.model_fields_set:
            return document
        return document.model_copy(update={"impasto_version": ""})

    @classmethod
    def _excess(cls, data: bytes | str) -> str | None:
        """Say what is too large in JSON text that nobody has parsed yet; None if nothing is."""
        if len(data) > cls.max_bytes:
            return f"more than {cls.max_bytes} bytes"
        values = sum(data.count(mark) if isinstance(data, str) else data.count(mark.encode()) for mark in "{[,")
        return f"{values} values; the maximum is {cls.max_values}" if values > cls.max_values else None

    def dumps(self) -> bytes:
        """Return the document in the form that this version of Impasto writes; equal documents give equal bytes."""
        current = {"version": type(self).model_fields["version"].default, "impasto_version": IMPASTO_VERSION}
        return (self.model_copy(update=current).model_dump_json(indent=1, exclude_none=True) + "\n").encode()

    @classmethod
    def _load_error(cls, error: ValidationError, data: bytes | str) -> VersionSkewError | DamagedError:
        what, _ = explain_validation_error(error, cls.document_name, cls)
        damaged = DamagedError(what, "Start a new run")
        types = {detail["type"] for detail in error.errors(include_url=False, include_input=False)}
        if "json_invalid" in types:
            return damaged
        fields = from_json(data)
        if not isinstance(fields, dict):
            return damaged
        version, writer = fields.get("version"), fields.get("impasto_version")
        readable = get_args(cls.model_fields["version"].annotation)
        is_unknown_version = isinstance(version, int) and version not in readable
        has_other_writer = isinstance(writer, str) and writer != IMPASTO_VERSION
        if not is_unknown_version and not has_other_writer:
            return damaged  # an unknown field, too: this version of Impasto knows all of its own
        written_by = f"Impasto {writer}" if writer else "an unknown version of Impasto"
        return VersionSkewError(
            f"{what}. Its version is {version}, written by {written_by}; this is Impasto {IMPASTO_VERSION}, which"
            f" reads versions up to {max(readable)}",
            "Deploy the Function App and the node image of the same version of Impasto; the run then continues",
        )


def explain_validation_error(error: ValidationError, what: str, model: type[BaseModel]) -> tuple[str, str]:
    """Return the cause and the remedy for an invalid document of class `model` that messages call `what`."""
    details = error.errors(include_url=False)[:MAX_REPORTED_ERRORS]
    if details[0]["type"] == "json_invalid":
        reason = str(details[0]["msg"]).removeprefix("Invalid JSON: ")
        return f"Invalid {what}: not JSON: {reason}", "Write one JSON object"
    cause = f"Invalid {what}: {'; '.join(_explain(dict(detail), model) for detail in details)}"
    for detail in details:
        if detail["type"] == "extra_forbidden":
            return cause, f"The valid fields are: {', '.join(_model_at(model, detail['loc']).model_fields)}"
    return cause, "Correct it and try again"


def _explain(detail: dict[str, Any], model: type[BaseModel]) -> str:
    location = ".".join(str(part)[:MAX_ECHO_CHARS] for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        field_names = _model_at(model, detail["loc"]).model_fields
        return f"unknown field {location!r}{did_you_mean(str(detail['loc'][-1]), field_names)}"
    if detail["type"] in _NUMBER_ERRORS:
        return _explain_number(detail, location, model)
    if detail["type"] in _TYPE_ERRORS:
        return f"{location or 'the document'} is {_TYPE_ERRORS[detail['type']]}, not {_echo(detail['input'])}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        message += f", not {_echo(detail['input'])}"
        message += did_you_mean(str(detail["input"]), _QUOTED.findall(detail["ctx"]["expected"]))
    return f"{location}: {message}" if location else message


def _explain_number(detail: dict[str, Any], location: str, model: type[BaseModel]) -> str:
    """Say which numbers a field takes: "strength goes from 0 to 1, not 1.5"."""
    field = _model_at(model, detail["loc"]).model_fields.get(str(detail["loc"][-1])) if detail["loc"] else None
    bounds = number_bounds(field) if field else {}
    kind = "a whole number" if detail["type"].startswith("int") else "a number"
    value = _echo(detail["input"])
    if "ge" in bounds and ("le" in bounds or "lt" in bounds):
        high = bounds["le"] if "le" in bounds else bounds["lt"] - 1
        return f"{location} is {kind} from {bounds['ge']:g} to {high:.15g}, not {value}"
    if detail["type"] in _BOUND_ERRORS:
        return f"{location}: {detail['msg']}, not {value}"
    return f"{location} is {kind}, not {value}"


def _echo(value: object) -> str:
    """Return a rejected value as JSON writes it, but text in single quotes; long ones are cut off."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value)[:MAX_ECHO_CHARS]


def number_bounds(field: FieldInfo) -> dict[str, float]:
    """Return the constraints ge, le and lt of a number's field, wherever they are in its annotation."""
    nested = [part for argument in get_args(field.annotation) for part in getattr(argument, "__metadata__", ())]
    constraints = [
        *field.metadata, *(constraint for part in nested for constraint in getattr(part, "metadata", [part]))
    ]  # fmt: skip
    return {
        name: getattr(constraint, name)
        for constraint in constraints
        for name in ("ge", "le", "lt")
        if getattr(constraint, name, None) is not None
    }


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model that the last part of `location` is a field of: `model` or one nested in it."""
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_nested_models(field.annotation), model)
    return model


def _nested_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _nested_models(argument)
