"""Typed host.json: the settings that this host obeys, their limits, and Azure's defaults.

Unlike the real host, an unknown key in the queues or blobs section is an error. Sections of other extensions, and
settings that only the real host uses (logging, extension bundle), are ignored.
Source: https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from local_cloud.function_host.config.json_file import load_json

_OVERRIDE_PREFIX = "azurefunctionsjobhost"
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


class HostJsonError(ValueError):
    """host.json cannot be read or holds an invalid value."""


def _time_span(value: object) -> object:
    match = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        if isinstance(value, timedelta):
            return value
        raise ValueError('must be a time span such as "00:00:30" (hours:minutes:seconds)')
    days, hours, minutes, seconds = match.groups()
    return timedelta(days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _timeout(value: object) -> object:
    return None if str(value) == "-1" or value is None else _time_span(value)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


TimeSpan = Annotated[timedelta, BeforeValidator(_time_span)]
Timeout = Annotated[timedelta | None, BeforeValidator(_timeout)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _ignore_key_case(cls, value: Any) -> Any:
        """Give keys their canonical case: host.json keys are case-insensitive (`batchsize` is `batchSize`)."""
        if not isinstance(value, dict):
            return value
        spelling = {to_camel(name).lower(): to_camel(name) for name in cls.model_fields}
        return {spelling.get(key.lower(), key): item for key, item in value.items()}


class Queues(_Section, extra="forbid"):
    """extensions.queues: settings of queue triggers. At most batch_size + threshold messages run at a time."""

    batch_size: int = Field(16, ge=1, le=32)
    new_batch_threshold: int | None = Field(None, ge=0)
    max_dequeue_count: int = Field(5, ge=1)
    visibility_timeout: TimeSpan = Field(timedelta(0), ge=timedelta(0), le=timedelta(days=7))
    # Azure's default is one minute; Core Tools poll every two seconds, as this host does.
    max_polling_interval: TimeSpan = Field(timedelta(seconds=2), ge=timedelta(milliseconds=100))
    message_encoding: Annotated[Literal["base64", "none"], BeforeValidator(_lower)] = "base64"

    @property
    def threshold(self) -> int:
        """The number of running messages at which the next batch is fetched; the default is half a batch per core."""
        if self.new_batch_threshold is not None:
            return self.new_batch_threshold
        return self.batch_size // 2 * (os.cpu_count() or 1)


class Blobs(_Section, extra="forbid"):
    """extensions.blobs: settings of blob triggers."""

    max_degree_of_parallelism: int = Field(default_factory=lambda: 8 * (os.cpu_count() or 1), ge=1)
    poison_blob_threshold: int = Field(5, ge=1)


class Http(_Section):
    """extensions.http: the prefix of all routes; like the real host, a leading or trailing slash is an error."""

    route_prefix: Annotated[str, Field(pattern="^([^/].*[^/]|[^/]?)$")] = "api"


class Extensions(_Section):
    """The sections of the extensions that this host implements."""

    queues: Queues = Queues()
    blobs: Blobs = Field(default_factory=Blobs)
    http: Http = Http()


class HostJson(_Section):
    """The whole file; `function_timeout` None means no limit."""

    version: Literal["2.0"] = "2.0"
    function_timeout: Timeout = timedelta(minutes=30)
    extensions: Extensions = Field(default_factory=Extensions)


def _overridden(content: object, settings: Mapping[str, str]) -> object:
    for name, value in settings.items():
        prefix, *path = name.split("__")
        if path and prefix.lower() == _OVERRIDE_PREFIX:
            content = _with_value(content, path, value)
    return content


def _with_value(section: object, path: list[str], value: str) -> object:
    """Return the section with one value replaced; keys are case-insensitive."""
    if not path:
        return value
    items = dict(section) if isinstance(section, dict) else {}
    key = next((key for key in items if key.lower() == path[0].lower()), path[0])
    return items | {key: _with_value(items.get(key), path[1:], value)}


def read_host_json(path: Path, settings: Mapping[str, str]) -> HostJson:
    """Read and validate the file. Without it, Azure's defaults apply. Raises HostJsonError with each invalid key.

    Settings override it: `AzureFunctionsJobHost__extensions__queues__batchSize` is `extensions.queues.batchSize`.
    """
    try:
        content = load_json(path) if path.exists() else {}
    except ValueError as error:
        raise HostJsonError(f"{path} is not valid JSON: {error}") from error
    try:
        return HostJson.model_validate(_overridden(content, settings))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors())
        raise HostJsonError(f"{path} is not valid: {'; '.join(problems)}") from error
