"""Where the next sweep continues."""

import datetime as dt
import json

import pytest

from frame_tools.contracts import paths
from orchestration.runs.sweep_progress import Scan, SweepProgress, read_progress, write_progress
from tests.support.world import World

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def test_pass_ends_with_the_last_page() -> None:
    scan = Scan().begun(NOON).continued("page 2")
    assert (scan.marker, scan.complete_at) == ("page 2", None)
    scan = scan.begun(NOON + dt.timedelta(minutes=2)).continued("")
    assert scan == Scan(complete_at=NOON)


def test_pass_with_an_error_does_not_count() -> None:
    scan = Scan(complete_at=NOON).begun(NOON + dt.timedelta(hours=1)).continued("page 2", failed=True)
    assert scan.continued("") == Scan(complete_at=NOON)


@pytest.mark.parametrize("data", [b"", b"not JSON", json.dumps({"version": 99}).encode(), b'{"next_run": 3}'])
def test_unreadable_progress_is_replaced(world: World, data: bytes) -> None:
    world.storage.runs.write(paths.sweep_progress(), data)
    before = read_progress(world.storage)
    assert before == SweepProgress()
    after = before.model_copy(update={"next_run": "clip-0123456789"})
    write_progress(world.storage, before, after)
    assert read_progress(world.storage) == after
