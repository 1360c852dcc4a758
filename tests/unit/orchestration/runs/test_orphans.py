"""The scan for orphaned runs: page by page, once an hour, and never in the way of the open runs."""

import pytest

from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.sweep import sweep
from orchestration.runs import orphans
from orchestration.runs.orphans import reopen_orphaned_runs
from orchestration.runs.sweep_progress import Scan
from tests.infra.deployments import deployment
from tests.support.world import World


def orphan(world: World, name: str) -> str:
    """Start a run and delete its open mark."""
    run_id = world.start(name, 2)
    world.storage.runs.delete(RunPaths(run_id).open_mark)
    return run_id


def is_open(world: World, run_id: str) -> bool:
    return world.storage.runs.exists(RunPaths(run_id).open_mark)


def test_orphan_is_found_and_continues(world: World) -> None:
    run_id = orphan(world, "clip")
    sweep(world.app)
    assert is_open(world, run_id)
    assert world.finish(run_id) == "finished"


def test_scan_begins_again_after_an_hour(world: World) -> None:
    sweep(world.app)
    run_id = orphan(world, "clip")
    sweep(world.app)
    assert not is_open(world, run_id)
    world.clock.advance(hours=1)
    sweep(world.app)
    assert is_open(world, run_id)


def test_each_sweep_scans_one_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "PAGE_SIZE", 2)
    runs = [orphan(world, f"clip {number}") for number in range(4)]
    reopened: list[int] = []
    scan = Scan()
    while not reopened or scan.marker:
        scan = reopen_orphaned_runs(world.app, scan, still_open=())
        reopened.append(sum(is_open(world, run_id) for run_id in runs))
    assert reopened[0] == 2
    assert reopened[-1] == 4
    assert scan.complete_at is not None


def test_folder_that_is_no_run_is_left_alone(world: World) -> None:
    world.storage.runs.write("notes/request.json", b"not a request")
    sweep(world.app)
    assert [item.name for item in world.storage.runs.list("open/")] == []


def test_run_whose_outcome_expired_first_stays_ended(world: World) -> None:
    """The lifecycle rule deletes a run's documents after a year, in any order."""
    run_id = world.start("clip", 2)
    assert world.finish(run_id) == "finished"
    world.storage.runs.delete(RunPaths(run_id).outcome)
    world.clock.advance(days=365)
    sweep(world.app)
    assert not is_open(world, run_id)


def test_age_of_orphans_is_below_the_lifecycle_rule() -> None:
    (policy,) = [
        item for item in deployment("main") if item.kind.endswith("managementPolicies") and "/stops" in item.id
    ]
    (rule,) = [rule for rule in policy.get("properties", "policy", "rules") if rule["name"] == "delete-runs"]
    days = rule["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
    assert orphans.OLDEST_ORPHAN.days < days


@pytest.mark.parametrize("data", [b"", b"{", b'{"run_id": "x"}'])
def test_ended_run_whose_outcome_is_damaged_gets_it_again(world: World, data: bytes) -> None:
    run_id = world.start("clip", 2)
    assert world.finish(run_id) == "finished"
    world.clock.advance(hours=1)
    world.storage.runs.write(RunPaths(run_id).outcome, data)
    sweep(world.app)
    sweep(world.app)
    assert world.outcome(run_id).status == "finished"
    assert world.is_released(run_id)
    assert world.status(run_id) == "finished"


def test_ended_run_with_an_outcome_of_another_version_stays_closed(world: World) -> None:
    run_id = world.start("clip", 2)
    assert world.finish(run_id) == "finished"
    world.clock.advance(hours=1)
    world.storage.runs.write(RunPaths(run_id).outcome, b'{"version": 99, "impasto_version": "9.8.7"}')
    sweep(world.app)
    assert not is_open(world, run_id)
