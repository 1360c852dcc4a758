"""JSON documents from outside and from ourselves: frozen, versioned, checked at the door, refused in words."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from frame_tools.contracts.errors import InputError

_QUOTED: Final = re.compile(r"'([^']*)'")
"""A choice as pydantic lists them: 'no', 'luma' or 'statistics'."""


class Document(BaseModel):
    """A frozen JSON document; unknown words are refused, and `loads` says which words there are."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="utf8")

    @classmethod
    def loads(cls, data: bytes | str, what: str) -> Self:
        """Read the document called `what` in messages; raises InputError with at most three complaints."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise InputError(*complaint(error, what, cls)) from None

    def dumps(self) -> bytes:
        """Write as JSON; equal values give equal bytes."""
        return (self.model_dump_json(indent=1, exclude_none=True) + "\n").encode()


def complaint(error: ValidationError, what: str, model: type[BaseModel]) -> tuple[str, str]:
    """Return what is wrong with the document `what`, and the remedy."""
    details = error.errors(include_url=False)[:3]
    if details[0]["type"] == "json_invalid":
        return (
            f"The {what} is not JSON: {details[0]['msg'].removeprefix('Invalid JSON: ')}",
            "Write one JSON object",
        )
    said = "; ".join(_one(dict(detail), model) for detail in details)
    for detail in details:
        if detail["type"] == "extra_forbidden":
            words = ", ".join(_model_at(model, detail["loc"]).model_fields)
            return f"The {what} can't be used: {said}", f"The words it may hold are: {words}"
    return f"The {what} can't be used: {said}", "Put that right and try again"


def _one(detail: dict[str, Any], model: type[BaseModel]) -> str:
    place = ".".join(str(part)[:60] for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        words = list(_model_at(model, detail["loc"]).model_fields)
        return f"unknown word {place!r}{_meant(str(detail['loc'][-1]), words)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        message += _meant(str(detail["input"])[:60], _QUOTED.findall(detail["ctx"]["expected"]))
    return f"{place}: {message}" if place else message


def _meant(text: str, words: list[str]) -> str:
    near = get_close_matches(text, words, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model that the last part of `place` is a word of: `model`, or one inside it."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
