"""Times of joined packets: for any times, borders and decode order that the encoder may choose, players can follow."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.media.timing import packet_times, presentation_ranks


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[int], list[list[int]]]:
    """Time stamps with gaps from one tick to hours, cut into batches, each in a decode order the encoder may choose."""
    steps = draw(st.lists(st.one_of(st.integers(1, 4000), st.integers(10**6, 10**9)), min_size=0, max_size=40))
    pts = list(accumulate(steps, initial=draw(st.sampled_from([0, 1, 10**6]))))
    batches = []
    left = len(pts)
    while left:
        size = draw(st.integers(1, left))
        batches.append(_decode_order(draw, size))
        left -= size
    return pts, batches


def _decode_order(draw: st.DrawFn, size: int) -> list[int]:
    """An order that begins with the first frame and in which none comes more than one place after its own."""
    waiting, order = list(range(1, size)), [0]
    for place in range(1, size):
        due = [index for index in waiting if index <= place - 1]
        order.append(due[0] if due else draw(st.sampled_from(waiting)))
        waiting.remove(order[-1])
    return order


@given(streams(), st.integers(1, 10**6))
def test_decode_times_rise_and_never_pass_presentation_times(
    stream: tuple[list[int], list[list[int]]], last_duration: int
) -> None:
    pts, batches = stream
    start, times = 0, []
    for ranks in batches:
        times += packet_times(pts, ranks, start=start, last_duration=last_duration)
        start += len(ranks)
    assert sorted(time.pts for time in times) == pts
    assert all(later.dts > earlier.dts for earlier, later in pairwise(times))
    assert all(time.dts <= time.pts for time in times)
    assert all(time.duration >= 1 for time in times)
    assert max(time.pts + time.duration for time in times) == pts[-1] + last_duration
    # What the MP4 muxer needs for a right edit list, if the stream starts at zero.
    if pts[0] == 0:
        assert min(time.pts - time.dts for time in times if time.dts <= 0) == times[0].pts - times[0].dts


@given(st.integers(2, 300), st.integers(0, 50), st.integers(1, 99))
def test_a_constant_rate_is_constant_in_decode_times_too(count: int, first: int, step: int) -> None:
    pts = range(first, first + count * step, step)
    times = packet_times(pts, range(count), start=0, last_duration=step)
    assert {later.dts - earlier.dts for earlier, later in pairwise(times)} == {step}
    assert times[-1].dts + times[-1].duration - times[0].dts == count * step


@given(st.lists(st.integers(-(2**40), 2**40), unique=True, min_size=1, max_size=60))
def test_ranks_are_the_places_in_presentation_order(stamps: list[int]) -> None:
    ranks = presentation_ranks(stamps)
    assert sorted(ranks) == list(range(len(stamps)))
    assert [stamps[ranks.index(place)] for place in range(len(stamps))] == sorted(stamps)


def test_equal_stamps_have_no_order() -> None:
    with pytest.raises(ValueError, match="same time stamp"):
        presentation_ranks([0, 2, 2])


def test_a_frame_decoded_too_late_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 1 is decoded at place 3"):
        packet_times([0, 10, 20, 30], [0, 2, 3, 1], start=0, last_duration=10)


def test_a_batch_begins_with_its_first_frame() -> None:
    with pytest.raises(ValueError, match="frame 6 comes first"):
        packet_times(range(0, 100, 10), [1, 0], start=5, last_duration=10)
