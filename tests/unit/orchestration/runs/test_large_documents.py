"""Documents that nodes can write are never read whole, however large a compromised node has made them."""

import fnmatch
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, SteadinessSums
from frame_tools.storage.quarantine import MAX_BYTES
from orchestration.handlers.sweep import sweep
from orchestration.reporting.status import run_status
from tests.support.world import World

TEMPLATE = Path(__file__).parents[4] / "infra" / "bicep" / "modules" / "roles.bicep"
HUGE = b"[" * (Failure.max_bytes + 2)


def written_by_nodes() -> list[str]:
    """Return the patterns of the documents in `runs` that the role conditions let nodes write."""
    match = re.search(r"  runs: \[(.*?)\]", TEMPLATE.read_text(encoding="utf-8"), re.S)
    assert match is not None
    return re.findall(r"'([^']+\.json|[^']+/\*)'", match[1])


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


@pytest.mark.parametrize(
    "document", ["batches/00001.json", "split.json", "product.json", "progress/00001.json", "errors/00001.json"]
)
def test_run_finishes_beside_a_huge_document(world: World, run_id: str, document: str) -> None:
    world.storage.runs.write(f"{run_id}/{document}", HUGE)
    assert world.status(run_id) == "scoring"
    for _ in range(3):
        world.clock.advance(minutes=5)
        sweep(world.app)
        world.score(run_id)
        world.deliver_messages()
    assert world.status(run_id) == "finished"


def steadiness(**values: str) -> str:
    numbers = dict.fromkeys(SteadinessSums.model_fields, "1") | values
    return ", ".join(f'"{name}": {number}' for name, number in numbers.items())


@pytest.mark.parametrize(
    ("pattern", "vast"),
    [
        *((r'"total": [0-9.]+', f'"total": {number}') for number in ("1e300", "Infinity", "NaN")),
        (r'(?s)("segment": \{[^}]*"size": )[0-9]+', rf"\g<1>{400 * '9'}"),
        ('"times":', f'"steadiness": {{{steadiness(pairs=400 * "9")}}}, "times":'),
        ('"times":', f'"steadiness": {{{steadiness(sharpness="NaN")}}}, "times":'),
    ],
)
def test_run_finishes_beside_a_receipt_with_vast_numbers(world: World, run_id: str, pattern: str, vast: str) -> None:
    world.score(run_id, 1, message=False)
    name = RunPaths(run_id).receipt(1)
    receipt, count = re.subn(pattern, vast, world.storage.runs.need(name).data.decode())
    assert count == 1
    world.storage.runs.write(name, receipt.encode())
    world.score(run_id, 0, 2)
    world.deliver_messages()
    sweep(world.app)
    assert world.finish(run_id) == "finished"
    assert not {"Infinity", "NaN"} & set(re.findall(r"\w+", json.dumps(world.report(run_id))))


def test_huge_manifest_is_made_again_and_not_kept_whole(world: World, run_id: str) -> None:
    world.storage.runs.write(RunPaths(run_id).manifest, b" " * (MAX_BYTES + 2))
    sweep(world.app)
    (kept,) = world.storage.runs.list(f"{run_id}/damaged/manifest")
    assert kept.size == MAX_BYTES + 1
    assert world.finish(run_id) == "finished"


def test_huge_failure_fails_its_batch(world: World, run_id: str) -> None:
    world.storage.runs.write(RunPaths(run_id).failure("00001"), HUGE)
    world.score(run_id, 0, 2)
    sweep(world.app)
    assert world.status(run_id) == "failed"


def test_documents_of_nodes_are_read_up_to_a_limit(world: World, run_id: str) -> None:
    unlimited: set[str] = set()
    patterns = [pattern for pattern in written_by_nodes() if not pattern.endswith("manifest.json")]
    assert "*/batches/*" in patterns

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if options.get("limit") is None and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            unlimited.add(name)
        return original(name, **options)

    watched = world.intercepted("runs", read=read)
    for document in ("errors/00001.json", "progress/00001.json", "split.json", "batches/00000.json"):
        world.storage.runs.write(f"{run_id}/{document}", b"{")
    for _ in range(3):
        world.clock.advance(minutes=5)
        run_status(watched.app, run_id)
        sweep(watched.app)
        world.score(run_id)
        watched.deliver_messages()
    assert watched.status(run_id) == "finished"
    assert unlimited == set()
