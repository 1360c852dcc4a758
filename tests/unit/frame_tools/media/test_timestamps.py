"""`TimestampCollector` keeps usable timestamps, and repairs and counts the others."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.manifest import Manifest
from frame_tools.media.timestamps import TimestampCollector, choose_origin


def collect(stamps: list[int | None], *, rate: Fraction | None = Fraction(25), duration: int = 0) -> TimestampCollector:
    collector = TimestampCollector(Fraction(1, 100), rate)
    for stamp in stamps:
        collector.add(stamp, duration)
    return collector


def test_constant_step_is_stored_compactly() -> None:
    fields = collect([8, 12, 16], duration=4).timestamps().manifest_fields()
    assert (fields["first_pts"], fields["pts_step"], fields["pts"], fields["rate"]) == (8, 4, None, 25)


def test_variable_steps_are_listed() -> None:
    collector = collect([8, 12, 17])
    fields = collector.timestamps().manifest_fields()
    assert (fields["pts"], fields["pts_step"], fields["last_duration"]) == ((8, 12, 17), None, 5)
    assert collector.repaired == 0


def test_missing_and_repeated_stamps_are_repaired() -> None:
    collector = collect([None, 4, 4, None, 3])
    assert collector.timestamps().pts == (0, 4, 5, 9, 10)
    assert collector.repaired == 4


def test_stamps_count_from_origin() -> None:
    collector = collect([-8, -4, 0])
    assert collector.first_seconds() == Fraction(-8, 100)
    assert collector.timestamps(Fraction(-8, 100)).pts == (0, 4, 8)


@pytest.mark.parametrize(
    ("first", "sounds", "has_gap", "may_wait", "origin"),
    [
        ("3601/100", ["36"], False, True, "3601/100"),  # priming, delay of reordered frames
        ("2", ["1"], False, True, "1"),  # a meant delay
        ("2", ["1"], False, False, "2"),  # a broadcast
        ("2", ["3"], False, True, "2"),  # late sound
        ("2", [], False, True, "2"),
        ("1/2", ["0"], True, True, "0"),  # an empty edit
        ("-1/5", ["0"], True, True, "-1/5"),
        ("2", ["1", "1999/2000"], False, True, "99/100"),  # a multiple of the time base
    ],
)
def test_origin(first: str, sounds: list[str], has_gap: bool, may_wait: bool, origin: str) -> None:
    chosen = choose_origin(
        Fraction(first), [*map(Fraction, sounds)], time_base=Fraction(1, 100), has_gap=has_gap, may_wait=may_wait
    )
    assert chosen == Fraction(origin)


def test_wrong_nominal_rate_is_replaced() -> None:
    assert collect([0, 50, 100], duration=50).timestamps().rate == 2


@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=50),
    st.one_of(st.none(), st.fractions(min_value=Fraction(1, 100), max_value=2000, max_denominator=10**6)),
    st.integers(0, 10**6),
)
def test_manifest_accepts_any_repaired_stamps(stamps: list[int | None], rate: Fraction | None, duration: int) -> None:
    collector = collect(stamps, rate=rate, duration=duration)
    times = collector.timestamps(min(collector.first_seconds(), Fraction(0)))
    assert all(later > earlier for earlier, later in pairwise(times.pts))
    manifest = Manifest(source="x", frame_count=len(stamps), width=2, height=2, **times.manifest_fields())
    assert tuple(manifest.frame_pts) == times.pts
