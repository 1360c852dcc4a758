"""Borders between batches: they cover all frames, move to scene cuts that are near, and batches stay about even."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.batch_borders import borders_near_cuts, even_borders

FRAMES = st.integers(1, 3000)
BATCH = st.integers(1, 400)


@given(FRAMES, BATCH, st.lists(st.integers(1, 3000), max_size=60))
def test_batches_cover_all_frames_about_evenly(count: int, batch: int, cuts: list[int]) -> None:
    borders = borders_near_cuts(count, batch, cuts)
    even = even_borders(count, batch)
    longest = max(b - a for a, b in pairwise(even))
    assert (borders[0], borders[-1], len(borders)) == (0, count, len(even))
    assert all(1 <= b - a <= 1.25 * longest + 1 for a, b in pairwise(borders))
    assert all(border == old or border in cuts for border, old in zip(borders, even, strict=True))


@given(FRAMES, BATCH)
def test_borders_are_even_without_cuts(count: int, batch: int) -> None:
    assert borders_near_cuts(count, batch, ()) == even_borders(count, batch)


def test_border_moves_to_near_cut() -> None:
    assert borders_near_cuts(400, 100, (30, 95, 110, 226, 320)) == (0, 95, 200, 320, 400)
    assert borders_near_cuts(400, 100, (90, 110)) == (0, 90, 200, 300, 400)


def test_border_stays_if_batch_would_be_too_long() -> None:
    # 75 to 220 would be 145 frames long.
    assert borders_near_cuts(400, 100, (75, 220)) == (0, 75, 200, 300, 400)
