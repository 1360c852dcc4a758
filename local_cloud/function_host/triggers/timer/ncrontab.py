"""NCRONTAB: when does a timer come next?

Six fields, `{second} {minute} {hour} {day} {month} {day-of-week}`, or five without the seconds. Unlike Unix cron, a day
counts only if day of month *and* day of week fit. Times are UTC.
Source: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
"""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_WEEKDAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_name)}
# The rarest day, a 29 February on a given weekday, comes back after 40 years at the latest (around a year like 2100).
_HORIZON_YEARS = 41


class ScheduleError(ValueError):
    """The expression is not NCRONTAB, or names a moment that never comes."""


@dataclass(frozen=True)
class _Field:
    """One field: its name for messages, its bounds (both included) and the words it knows."""

    name: str
    low: int
    high: int
    words: dict[str, int]

    def parse(self, text: str) -> frozenset[int]:
        """The set of values that `text` allows, such as `*`, `5`, `1-5`, `*/15`, `mon-fri` or `1,10-20/2`."""
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
            raise ScheduleError(f"{self.name}: {part!r} runs backwards; write it as two ranges with a comma")
        return range(first, last + 1, step)

    def _value(self, text: str, part: str) -> int:
        value = self._word(text.lower()) if text[:1].isalpha() else self._number(text, part)
        if value is None or not self.low <= value <= self.high:
            raise ScheduleError(f"{self.name}: {part!r} is not within {self.low}-{self.high}")
        return value

    def _word(self, text: str) -> int | None:
        return next((value for word, value in self.words.items() if text in (word, word[:3])), None)

    def _number(self, text: str, part: str) -> int:
        if not (text.isascii() and text.isdigit()):
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
        """Read an expression of six or five fields; raises ScheduleError with the field and the remedy."""
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
        """The first time strictly later than `moment` (aware), to the second, in the same time zone.

        Raises ScheduleError if no day ever fits, such as 30 February.
        """
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        first = self._time_of_day(start.time()) if self._matches(start.date()) else None
        if first is not None:
            return datetime.combine(start.date(), first, start.tzinfo)
        day = self._day_after(start.date())
        return datetime.combine(day, time(min(self.hours), min(self.minutes), min(self.seconds)), start.tzinfo)

    def is_more_often_than(self, gap: timedelta, moment: datetime) -> bool:
        """Whether two of the next five times after `moment` lie closer together than `gap`."""
        times = [self.next_after(moment)]
        while len(times) < 5:
            times.append(self.next_after(times[-1]))
        return any(later - earlier < gap for earlier, later in pairwise(times))

    def _matches(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _time_of_day(self, start: time) -> time | None:
        """The first allowed time of a day at or after `start`; None if the day holds no more."""
        for hour in sorted(h for h in self.hours if h >= start.hour):
            floor = start if hour == start.hour else time()
            for minute in sorted(m for m in self.minutes if m >= floor.minute):
                second_floor = floor.second if minute == floor.minute else 0
                seconds = [s for s in self.seconds if s >= second_floor]
                if seconds:
                    return time(hour, minute, min(seconds))
        return None

    def _day_after(self, day: date) -> date:
        for year in range(day.year, day.year + _HORIZON_YEARS):
            for month in sorted(self.months):
                if (year, month) < (day.year, day.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    candidate = date(year, month, number)
                    if candidate > day and self._matches(candidate):
                        return candidate
        raise ScheduleError("this schedule names a day that never comes; check its day, month and day-of-week")
