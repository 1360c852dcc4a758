"""Storage of invalid queue messages."""

import pytest

from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.submit_batch import submit_batch
from tests.support.world import World


@pytest.mark.parametrize(
    "text", ["", "hello", "{}", '{"v": 1}', '{"v": 1, "run_id": "../x", "batch": 0}', "[" * 5000, "\\xff\\xfe"]
)
def test_invalid_message_is_stored_once(world: World, text: str) -> None:
    for _ in range(2):
        finish_batch(world.app, text)
        submit_batch(world.app, text)
    kept = [item.name for item in world.storage.logs.list("dead-letter/")]
    assert sorted(name.split("/")[1] for name in kept) == ["finished-batches", "frame-batches"]
    assert {world.storage.logs.need(name).data for name in kept} == {text.encode()}
