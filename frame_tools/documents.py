"""JSON documents from outside and from ourselves: frozen, versioned, checked at the door, refused in words."""

from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from frame_tools.errors import InputError


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
    details = error.errors(include_url=False, include_context=False)[:3]
    if details[0]["type"] == "json_invalid":
        return (
            f"The {what} is not JSON: {details[0]['msg'].removeprefix('Invalid JSON: ')}",
            "Write one JSON object",
        )
    said = "; ".join(_one(dict(detail), model) for detail in details)
    if any(detail["type"] == "extra_forbidden" for detail in details):
        return f"The {what} can't be used: {said}", f"The words it may hold are: {', '.join(model.model_fields)}"
    return f"The {what} can't be used: {said}", "Put that right and try again"


def _one(detail: dict[str, Any], model: type[BaseModel]) -> str:
    place = ".".join(str(part)[:60] for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(place, list(model.model_fields), n=1)
        return f"unknown word {place!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
