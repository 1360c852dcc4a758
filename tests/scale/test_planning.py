"""What it costs to accept, plan and queue a run: requests counted below the storage SDK, and functions called."""

from math import ceil

import pytest

from benchmarks.scale.cases import planning
from benchmarks.scale.counting import counting
from benchmarks.scale.figures import POOLS
from benchmarks.scale.world import CountedWorld, ManifestKind
from frame_tools.contracts.messages import MAX_RANGE
from tests.scale.calls import python_calls

FIXED = {"read": 10, "head": 7, "list": 15, "write": 14}
"""Requests whatever the number of frames, beside the pages of their listing and the messages."""
PAGE = 5000
PER_BATCH = 96


@pytest.mark.parametrize("frames", [1000, 12_000])
@pytest.mark.parametrize(("manifest", "extra"), [("constant", {}), ("variable", {}), ("none", {"read": 1, "head": 1})])
def test_requests_grow_with_pages_and_messages_only(frames: int, manifest: ManifestKind, extra: dict[str, int]) -> None:
    requests = planning(frames, manifest).requests
    sent = requests.kinds.pop("send")
    expected = FIXED | {kind: FIXED[kind] + more for kind, more in extra.items()}
    assert requests.kinds == expected | {"list": FIXED["list"] + ceil(frames / PAGE)}
    assert sent <= ceil(frames / PER_BATCH / MAX_RANGE) + 1
    assert requests.serial(POOLS) <= requests.total + ceil(sent / POOLS["queue"])


def calls_of_listing(frames: int) -> int:
    """Return the functions called to list frames, without those of the service."""
    world = CountedWorld.create()
    world.upload("clip", frames)
    with counting(world.service):
        return python_calls(lambda: list(world.app.storage.input.list("clip/frames/")))


def test_listed_blob_takes_a_few_calls() -> None:
    """The SDK's own objects take about 300 calls a blob; the service that answers here, about 60."""
    assert (calls_of_listing(2000) - calls_of_listing(1000)) / 1000 < 100
