"""NCRONTAB schedules of timer triggers.

Six fields, `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without the seconds. Unlike in Unix cron,
day of month *and* day of week must match. Times are UTC. The fields are validated here, because croniter accepts more
than Azure (7 for Sunday, ranges that wrap around, `l` and `#`) and its errors do not name the field; croniter finds
the occurrences.
Source: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from croniter import CroniterBadDateError, croniter

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_WEEKDAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_name)}
# The rarest day, February 29 on a given weekday, recurs after at most 40 years (around a year such as 2100).
_MAX_YEARS_BETWEEN_OCCURRENCES = 41


class ScheduleError(ValueError):
    """The expression is not NCRONTAB, or it never occurs."""


@dataclass(frozen=True)
class _Field:
    """One field: its name in messages, its inclusive bounds, and the names of its values."""

    name: str
    low: int
    high: int
    names: dict[str, int]

    def parse(self, text: str) -> frozenset[int]:
        """Return the values that `text` allows, such as `*`, `5`, `1-5`, `*/15`, `mon-fri` or `1,10-20/2`."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        span, slash, step_text = part.partition("/")
        step = self._number(step_text, part) if slash else 1
        if step < 1:
            raise ScheduleError(f"{self.name}: the step in {part!r} must be 1 or more")
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = self.low, self.high
        else:
            first = self._value(first_text, part)
            last = self._value(last_text, part) if dash else (self.high if slash else first)
        if first > last:
            raise ScheduleError(f"{self.name}: the range {part!r} is reversed; write two ranges with a comma")
        return range(first, last + 1, step)

    def _value(self, text: str, part: str) -> int:
        value = self._named_value(text.lower()) if text[:1].isalpha() else self._number(text, part)
        if value is None or not self.low <= value <= self.high:
            raise ScheduleError(f"{self.name}: {part!r} is not within {self.low}-{self.high}")
        return value

    def _named_value(self, text: str) -> int | None:
        return next((value for name, value in self.names.items() if text in (name, name[:3])), None)

    def _number(self, text: str, part: str) -> int:
        if not (text.isascii() and text.isdecimal()):
            raise ScheduleError(f"{self.name}: {part!r} is not a number, a name, a range or a step")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59, {}),
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day", 1, 31, {}),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """A parsed expression: the values that each field allows; weekdays count from Sunday = 0."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Parse an expression of six or five fields. Raises ScheduleError with the field and what is valid."""
        parts = expression.split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise ScheduleError(
                f"{expression!r} has {len(parts)} fields; NCRONTAB has six"
                " (second minute hour day month day-of-week), or five without the second"
            )
        return cls(*(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))

    def next_after(self, moment: datetime) -> datetime:
        """Return the first occurrence later than `moment` (timezone-aware), in whole seconds and the same time zone.

        Raises ScheduleError if no day ever matches, for example February 30.
        """
        occurrences = croniter(
            self._cron(),
            moment.replace(microsecond=0),
            ret_type=datetime,
            day_or=False,
            second_at_beginning=True,
            max_years_between_matches=_MAX_YEARS_BETWEEN_OCCURRENCES,
        )
        try:
            occurrence: datetime = occurrences.get_next()
        except CroniterBadDateError as error:
            raise ScheduleError("the schedule never occurs; check its day, month and day-of-week") from error
        return occurrence

    def is_more_often_than(self, gap: timedelta, moment: datetime) -> bool:
        """Return whether two of the next five occurrences after `moment` are less than `gap` apart."""
        times = [self.next_after(moment)]
        while len(times) < 5:
            times.append(self.next_after(times[-1]))
        return any(later - earlier < gap for earlier, later in pairwise(times))

    def _cron(self) -> str:
        fields = (self.seconds, self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(",".join(map(str, sorted(values))) for values in fields)
