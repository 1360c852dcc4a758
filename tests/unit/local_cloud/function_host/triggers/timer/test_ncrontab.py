"""NCRONTAB: occurrences of known expressions, invalid expressions, and properties of all expressions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from local_cloud.function_host.triggers.timer.ncrontab import Schedule, ScheduleError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "following"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("0 */5 * * * *", "2026-01-01T00:04:59.9", "2026-01-01T00:05:00"),
        ("*/5 * * * *", "2026-01-01T00:00:01", "2026-01-01T00:05:00"),  # five fields: at second 0
        ("*/2 * * * * *", "2026-01-01T00:00:00.5", "2026-01-01T00:00:02"),
        ("30 9 * * * *", "2026-01-01T00:10:00", "2026-01-01T01:09:30"),
        ("0 0 9-17 * * mon-fri", "2026-01-02T17:00:00", "2026-01-05T09:00:00"),  # over a weekend
        ("0 30 9 * Jan Mon", "2026-02-01T00:00:00", "2027-01-04T09:30:00"),
        ("0 0 0 1 january sunday", "2026-01-02T00:00:00", "2034-01-01T00:00:00"),  # day of month and of week
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 29 2 *", "2096-03-01T00:00:00", "2104-02-29T00:00:00"),  # 2100 is no leap year
        ("0 5/20 * * * *", "2026-01-01T00:05:00", "2026-01-01T00:25:00"),  # from 5 in steps of 20
        ("0 10-20/5,50 * * * *", "2026-01-01T00:20:00", "2026-01-01T00:50:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59", "2027-12-31T23:59:59"),
        ("0 0 12 * * 0", "2026-01-01T00:00:00", "2026-01-04T12:00:00"),  # Sunday is 0
    ],
)
def test_next_time(expression: str, after: str, following: str) -> None:
    assert Schedule.parse(expression).next_after(at(after)) == at(following)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("* * * *", "has 4 fields"),
        ("0 0 0 0 * *", "day: '0' is not within 1-31"),
        ("60 * * * * *", "second: '60' is not within 0-59"),
        ("0 0 0 * * 7", "day-of-week: '7' is not within 0-6"),
        ("0 0 0 * foo *", "month: 'foo' is not within 1-12"),
        ("0 20-10 * * * *", "minute: .*'20-10'"),
        ("0 */0 * * * *", "step in '\\*/0' must be 1 or more"),
        ("0 , * * * *", "minute: '' is not a number"),
        ("00:05:00", "has 1 fields"),
    ],
)
def test_invalid_expression_names_field(expression: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.parse(expression)


def test_impossible_day_is_rejected() -> None:
    with pytest.raises(ScheduleError, match="day-of-week"):
        Schedule.parse("0 0 0 30 2 *").next_after(at("2026-01-01T00:00:00"))


def test_is_more_often_than() -> None:
    minute, start = timedelta(minutes=1), at("2026-01-01T00:00:00")
    assert Schedule.parse("*/30 * * * * *").is_more_often_than(minute, start)
    assert not Schedule.parse("0 * * * * *").is_more_often_than(minute, start)


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    pair = st.tuples(value, value).map(sorted)
    part = st.one_of(
        st.just("*"),
        value.map(str),
        pair.map(lambda p: f"{p[0]}-{p[1]}"),
        st.tuples(pair, st.integers(1, 9)).map(lambda p: f"{p[0][0]}-{p[0][1]}/{p[1]}"),
        st.integers(1, 30).map(lambda step: f"*/{step}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


expressions = st.tuples(fields(0, 59), fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6)).map(
    " ".join
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants naive bounds


def fits(schedule: Schedule, moment: datetime) -> bool:
    return (
        moment.second in schedule.seconds
        and moment.minute in schedule.minutes
        and moment.hour in schedule.hours
        and moment.day in schedule.days
        and moment.month in schedule.months
        and moment.isoweekday() % 7 in schedule.weekdays
    )


@given(expressions, moments)
def test_next_time_is_later_and_matches(expression: str, moment: datetime) -> None:
    schedule = Schedule.parse(expression)
    try:
        following = schedule.next_after(moment)
    except ScheduleError:
        assume(False)
    assert following > moment
    assert following.microsecond == 0
    assert fits(schedule, following)


@given(expressions, moments, st.integers(1, 200_000))
def test_no_matching_time_is_skipped(expression: str, moment: datetime, seconds: int) -> None:
    schedule = Schedule.parse(expression)
    candidate = moment.replace(microsecond=0) + timedelta(seconds=seconds)
    assume(fits(schedule, candidate))
    assert schedule.next_after(moment) <= candidate
