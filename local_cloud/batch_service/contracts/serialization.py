"""JSON formats of the service: timestamps, ISO 8601 durations, ETags, and the base class of all models."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

_TICKS_AT_UNIX_EPOCH = 621_355_968_000_000_000  # 100 ns ticks from year 1 to 1970: the .NET clock that the service uses
_UNLIMITED_TEXT = "P10675199DT2H48M5.4775807S"  # the longest .NET time span, which the service writes for "no limit"
UNLIMITED = timedelta(days=10_675_199, hours=2, minutes=48, seconds=5, microseconds=477_580)
_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,7})?)S)?)?"
)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """Return a time in the service's format: UTC, `Z`, seven decimal places."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def http_date(moment: datetime) -> str:
    """Return a time in the format of HTTP headers (RFC 9110, 5.6.7)."""
    return moment.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def etag(moment: datetime) -> str:
    """Return an ETag in the service's format: unquoted, the .NET ticks of the last change in hexadecimal."""
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return f"0x{_TICKS_AT_UNIX_EPOCH + microseconds * 10:X}"


def parse_duration(text: object) -> timedelta:
    """Parse an ISO 8601 duration of days, hours, minutes and seconds.

    A `timedelta` is returned unchanged; anything longer than `UNLIMITED` becomes `UNLIMITED`. Raises ValueError for
    other formats, including calendar units such as months.
    """
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a duration; write for example PT30M, PT1H30M or P1D")
    units = {unit: int(match[unit] or 0) for unit in ("days", "hours", "minutes")}
    seconds, _, fraction = (match["seconds"] or "0").partition(".")
    try:
        duration = timedelta(**units, seconds=int(seconds), microseconds=int(f"{fraction:0<6}"[:6]))
    except OverflowError:
        return UNLIMITED
    return min(duration, UNLIMITED)


def format_duration(duration: timedelta) -> str:
    """Return a duration in the service's format, for example `PT6M` or `P7D`; "no limit" has its own text."""
    if duration >= UNLIMITED:
        return _UNLIMITED_TEXT
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{duration.microseconds:06}".rstrip("0").rstrip(".")
    parts = [
        f"{hours}H" * bool(hours),
        f"{minutes}M" * bool(minutes),
        f"{seconds}{fraction}S" * bool(seconds or fraction),
    ]
    clock = "".join(parts)
    days = f"{duration.days}D" * bool(duration.days)
    return f"P{days}T{clock}" if clock else f"P{days or 'T0S'}"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
Time = Annotated[datetime, PlainSerializer(format_time)]


class WireModel(BaseModel):
    """A frozen value in camelCase, sent and stored as JSON; unknown properties are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object as the service writes it: null properties are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
