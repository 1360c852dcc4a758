"""Durations, timestamps and ETags."""

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.batch_service.contracts.serialization import (
    UNLIMITED,
    etag,
    format_duration,
    format_time,
    parse_duration,
)

AT = dt.datetime(2026, 1, 22, 20, 18, 17, 854394, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("sent", "formatted"),
    [
        ("PT05M00S", "PT5M"),
        ("PT06H00M00S", "PT6H"),
        ("P1D", "P1D"),
        ("PT0.5S", "PT0.5S"),
        ("P9999999999D", "P10675199DT2H48M5.4775807S"),
    ],
)
def test_duration_format(sent: str, formatted: str) -> None:
    assert format_duration(parse_duration(sent)) == formatted
    assert parse_duration("P10675199DT2H48M5.4775807S") == UNLIMITED


@given(st.timedeltas(min_value=dt.timedelta(0), max_value=UNLIMITED))
def test_duration_round_trip(duration: dt.timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "P1M", "PT1H1D", "-PT1S", None, 5])
def test_invalid_duration_is_rejected(text: object) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        parse_duration(text)


def test_timestamp_and_etag_format() -> None:
    assert format_time(AT) == "2026-01-22T20:18:17.8543940Z"
    # A recorded ETag, 0x8DDEBF521C8E898, is a time of .NET's clock: 100 ns steps since year 1.
    recorded = dt.datetime(1, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=0x8DDEBF521C8E898 // 10)
    assert recorded.year == 2025
    assert int(etag(recorded), 16) // 10 == 0x8DDEBF521C8E898 // 10
