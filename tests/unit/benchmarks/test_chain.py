"""The stages of a run in the benchmark of the whole chain."""

import datetime as dt

import pytest

from benchmarks.chain import Times, chart, median_row, parse_size, table, times_of
from frame_tools.contracts.receipt import Receipt, StoredFile, TaskTimes

NOON = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
FILE = StoredFile(name="x", size=1, sha256="0" * 64, etag="e")


def receipt(batch: int, *, start_up: float, total: float, end: float) -> Receipt:
    return Receipt(
        run_id="clip-0123456789", batch=batch, start=10 * batch, end=10 * batch + 10, plan_sha256="0" * 64,
        segment=FILE, log="log", task_id="b00000_00001", device="cpu",
        times=TaskTimes(start_up=start_up, load=1, infer=1, save=1, total=total),
        finished_at=(NOON + dt.timedelta(seconds=end)).isoformat(),
    )  # fmt: skip


def test_stages_add_up_to_the_whole() -> None:
    receipts = [receipt(0, start_up=2, total=7, end=8), receipt(1, start_up=0, total=4, end=12)]
    ended = NOON + dt.timedelta(seconds=13)
    times = times_of(NOON, NOON + dt.timedelta(seconds=1), receipts, ended)
    assert times.stages == (1, 2, 9, 1)
    assert (times.whole, times.painting) == (13, 9)
    assert times.ratio == pytest.approx(13 / 9)


def test_row_has_the_medians() -> None:
    rounds = [Times(stages=(1, 2, painting, 1), painting=painting) for painting in (8, 20, 10)]
    row = median_row(100, (640, 360), rounds)
    assert (row.stages, row.rate, row.ratio) == ((1, 2, 10, 1), 10, 1.4)
    assert "100 frames of 640x360" in table([row])
    assert chart([row]) == chart([row]), "equal figures give equal bytes"


def test_size_has_width_and_height() -> None:
    assert parse_size("1280x720") == (1280, 720)
