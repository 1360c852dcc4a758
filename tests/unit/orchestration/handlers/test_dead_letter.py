"""Storage of invalid queue messages."""

import json
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from azure.core.exceptions import HttpResponseError

from frame_tools.storage.blobs import BlobInfo
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import batch_poisoned, finish_poisoned, trigger_poisoned
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


def test_flood_of_messages_is_stored_and_stops_no_run(world: World) -> None:
    run_id = world.start("clip", 2)
    for number in range(10_000):
        handle = finish_batch if number % 2 else submit_batch
        handle(world.app, f"flood {number}")
    kept = [item.name.split("/")[1] for item in world.storage.logs.list("dead-letter/")]
    assert Counter(kept) == {"finished-batches": 5000, "frame-batches": 5000}
    assert world.finish(run_id) == "finished"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 40_000,
        '{"ContainerName": "triggers", "BlobName": ' + "[" * 10_000,
        json.dumps({"ContainerName": "triggers", "BlobName": "x" * 5000}),
        json.dumps({"ContainerName": "triggers", "BlobName": "\ud800.json"}),
        json.dumps({"ContainerName": "triggers", "BlobName": "a/" * 400}),
        json.dumps({"ContainerName": "triggers", "BlobName": ["clip.json"]}),
        json.dumps({"v": 99, "run_id": "clip-0123456789", "batch": 0}),
        "\\xff\\xfe",
        "",
    ],
)
def test_poison_handlers_take_any_message(world: World, text: str) -> None:
    def info(original: Callable[[str], BlobInfo | None], name: str) -> BlobInfo | None:
        name.encode()
        if len(name) > 700:
            raise HttpResponseError("InvalidUri", response=SimpleNamespace(status_code=400, reason="Bad Request"))
        return original(name)

    strict = world.intercepted("triggers", info=info)
    for handle in (trigger_poisoned, batch_poisoned, finish_poisoned):
        handle(strict.app, text)
    kept = [item.name.split("/")[1] for item in world.storage.logs.list("dead-letter/")]
    assert sorted(kept) == ["finished-batches-poison", "frame-batches-poison", "webjobs-blobtrigger-poison"]
