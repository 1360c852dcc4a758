"""Frame times as found in files: kept where they can be used, put right and counted where not."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.manifest import Manifest
from frame_tools.media.timestamps import TimestampCollector


def clock_of(
    stamps: list[int | None], *, rate: Fraction | None = Fraction(25), duration: int = 0
) -> TimestampCollector:
    clock = TimestampCollector(Fraction(1, 100), rate)
    for stamp in stamps:
        clock.add(stamp, duration)
    return clock


def test_good_stamps_are_kept_and_written_compactly() -> None:
    fields = clock_of([8, 12, 16], duration=4).times().as_fields()
    assert (fields["first_pts"], fields["pts_step"], fields["pts"], fields["rate"]) == (8, 4, None, 25)


def test_uneven_stamps_are_listed() -> None:
    clock = clock_of([8, 12, 17])
    fields = clock.times().as_fields()
    assert (fields["pts"], fields["pts_step"], fields["last_duration"]) == ((8, 12, 17), None, 5)
    assert clock.repaired == 0


def test_missing_and_stuck_stamps_are_put_right_and_counted() -> None:
    clock = clock_of([None, 4, 4, None, 3])
    assert clock.times().pts == (0, 4, 5, 9, 10)
    assert clock.repaired == 4


def test_stamps_below_zero_are_moved_up() -> None:
    times = clock_of([-8, -4, 0]).times()
    assert (times.pts, times.moved) == ((0, 4, 8), Fraction(8, 100))


def test_a_rate_that_the_times_contradict_is_measured() -> None:
    assert clock_of([0, 50, 100], duration=50).times().rate == 2


@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=1, max_size=50),
    st.one_of(st.none(), st.fractions(min_value=Fraction(1, 100), max_value=2000, max_denominator=10**6)),
    st.integers(0, 10**6),
)
def test_whatever_the_file_says_the_manifest_takes_it(
    stamps: list[int | None], rate: Fraction | None, duration: int
) -> None:
    clock = clock_of(stamps, rate=rate, duration=duration)
    times = clock.times()
    assert all(later > earlier for earlier, later in pairwise(times.pts))
    manifest = Manifest(source="x", frame_count=len(stamps), width=2, height=2, **times.as_fields())
    assert tuple(manifest.frame_pts) == times.pts
