"""Parameters and bodies of the HTTP interface: what callers may send. Unknown fields are errors."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from frame_tools.contracts.answers import STATUSES, LogStream, Status
from frame_tools.contracts.base import Document, explain_validation_error
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.ids import NAME_PATTERN, check_name
from frame_tools.contracts.json_types import WHOLE
from frame_tools.contracts.suggestions import MAX_ECHO_CHARS, did_you_mean
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.trigger_values import Label

MAX_BODY_BYTES: Final = 128 * 2**10
MAX_UPLOAD_FILES: Final = 64
MAX_UPLOAD_BYTES: Final = 64 * 2**30
HOST_PARAMETERS: Final = ("code", "clientId")
"""Query parameters that the Functions host reads: the function key and its name."""
_STEP: Final = re.compile(r"[0-9]{1,5}|split|join")


def _name(name: str) -> str:
    try:
        return check_name(name, "name")
    except InputError as error:
        raise ValueError(str(error)) from None


def _comma_separated(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _status(value: object) -> object:
    if value not in STATUSES:
        text = str(value)[:MAX_ECHO_CHARS]
        raise ValueError(f"must be one of {', '.join(STATUSES)}, not {text!r}{did_you_mean(text, STATUSES)}")
    return value


def _time(value: object) -> object:
    """Return a time, without a zone taken as UTC; a date is its midnight."""
    if not isinstance(value, str):
        return value
    try:
        time = dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a time or a date like 2026-11-29T08:00:00Z") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)


def _step(value: str) -> str:
    if not _STEP.fullmatch(value):
        raise ValueError('must be the number of a batch, "split" or "join"')
    return value.zfill(5) if value.isdecimal() else value


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": NAME_PATTERN})]
_KnownStatus = Annotated[Status, BeforeValidator(_status)]
Statuses = Annotated[Annotated[tuple[_KnownStatus, ...], Field(min_length=1)], BeforeValidator(_comma_separated)]
Since = Annotated[dt.datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
After = Annotated[str, Field(max_length=2000)]
Step = Annotated[str, AfterValidator(_step), WithJsonSchema({"type": "string", "pattern": "^([0-9]{1,5}|split|join)$"})]


class RunsQuery(Document):
    """Which runs are listed."""

    status: Statuses | None = Field(None, description="Only runs with one of these, separated by commas.")
    name: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Only runs with this text in their name; case is ignored."
    )
    label: Label | None = Field(None, description="Only runs with this label.")
    since: Since | None = Field(None, description="Only runs that were received at this time or later.")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="Runs on a page.")
    after: After | None = Field(None, description="`next` of the page before.")


class FramesQuery(Document):
    """Which frames are listed."""

    limit: Annotated[int, Field(ge=1, le=100)] = Field(12, description="Frames on a page.")
    after: After | None = Field(None, description="`next` of the page before.")
    spread: bool = Field(False, description="Frames spread over the run instead of neighbors; one page.")

    @model_validator(mode="after")
    def _check_spread(self) -> Self:
        if self.spread and self.after is not None:
            raise ValueError("give either spread or after, not both")
        return self


class BatchesQuery(Document):
    """Which batches are listed."""

    limit: Annotated[int, Field(ge=1, le=500)] = Field(100, description="Batches on a page.")
    after: After | None = Field(None, description="`next` of the page before.")


class LogsQuery(Document):
    """Whose output is returned."""

    step: Step = Field(description="The number of a batch, `split` or `join`.")
    stream: LogStream = Field("stderr", description="`images` is one JSON line per frame.")
    tail: Annotated[int, Field(ge=1, le=1000)] = Field(200, description="Lines from the end.")


class NoQuery(Document):
    """No parameters."""


class StartRun(Document):
    """Starts a run, like the upload of the trigger file `name`.json with these options."""

    name: Name
    options: Trigger


class UploadFile(Document):
    """A file that is to be uploaded."""

    name: Name
    size: Annotated[int, Field(strict=True, ge=0, le=MAX_UPLOAD_BYTES), WHOLE]


class UploadRequest(Document):
    """Asks where the files of the run `name` are to be uploaded."""

    name: Name
    files: Annotated[tuple[UploadFile, ...], Field(min_length=1, max_length=MAX_UPLOAD_FILES)]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("two files have the same name")
        return self


D = TypeVar("D", bound=Document)


def parse_query(model: type[D], query: Mapping[str, str]) -> D:
    """Parse the parameters of a query string; raises InputError."""
    values = {name: value for name, value in query.items() if name not in HOST_PARAMETERS}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(*explain_validation_error(error, "query", model)) from None


def parse_body(model: type[D], body: bytes) -> D:
    """Parse a JSON body; raises InputError if it is too large or invalid."""
    if len(body) > MAX_BODY_BYTES:
        raise InputError(f"The body has {len(body)} bytes; the maximum is {MAX_BODY_BYTES}", "Send less.")
    return model.parse_input(body, "body")
