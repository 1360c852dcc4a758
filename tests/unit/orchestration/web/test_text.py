"""Numbers, times and states as the page writes them."""

import datetime as dt
from typing import get_args

import pytest

from frame_tools.contracts.choices import RunOutcome
from orchestration.web.steadiness import Steadiness
from orchestration.web.text import STATES, day_text, duration_text, length_text, size_text, title_of, usd_text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (-1, "0:00"), (8.3, "0:08"), (151, "2:31"), (3600, "1:00:00"), (3725, "1:02:05")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(None, "–"), (0, "$0.00"), (0.001, "< $0.01"), (0.03, "$0.03"), (1234.5, "$1,234.50")]
)
def test_dollars(usd: float | None, text: str) -> None:
    assert usd_text(usd) == text


def test_other_texts() -> None:
    now = dt.datetime(2026, 11, 29, 1, tzinfo=dt.UTC)
    days = [day_text(now - dt.timedelta(days=days), now) for days in (0, 1, 2, 400)]
    assert days == ["Today", "Yesterday", "27 November", "25 October 2025"]
    assert day_text(None, now) == "Unknown day"
    assert title_of("folder/starry_night.jpg") == "starry night"
    assert length_text(8.25, 248) == "8.2 s at 29.94 fps"
    assert [size_text(count) for count in (12, 4_700_000, 2.5e9)] == ["12 bytes", "4.7 MB", "2.5 GB"]


def test_every_outcome_has_a_state() -> None:
    assert set(get_args(RunOutcome)) <= set(STATES)


def test_steadiness_is_a_sentence() -> None:
    assert Steadiness(clip=1.2, painted=1.9).verdict.startswith("Steady")
    assert Steadiness(clip=1.0, painted=3.0).verdict.startswith("Some flicker")
    assert Steadiness(clip=1.0, painted=9.0).verdict.startswith("Flickering")
    assert Steadiness(clip=0.0, painted=1.0).width(6.0) == 480
