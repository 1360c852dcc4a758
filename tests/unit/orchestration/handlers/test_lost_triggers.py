"""Trigger files whose event was lost: the sweep starts their runs, once, and never those of ended runs again."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.trigger import MAX_TRIGGER_BYTES
from orchestration.handlers import lost_triggers
from orchestration.handlers.start_run import start_run
from orchestration.handlers.sweep import sweep
from orchestration.runs.sweep_progress import read_progress
from tests.scale.open_runs import count_operations
from tests.support.world import World


def lose_event(world: World, name: str = "clip", body: bytes | None = None) -> str:
    """Upload frames and a trigger file without an event, until the event counts as lost; return the run id."""
    world.upload_frames("clip", 2)
    blob = world.upload_trigger(name, body, **({} if body else {"input": "clip"}))
    world.clock.advance(seconds=world.app.settings.sweep_grace_seconds + 1)
    return ids.run_id_for(blob, world.storage.triggers.need(blob).etag)


def is_known(world: World, run_id: str) -> bool:
    return any(world.runs_blobs(run_id))


def delete_run(world: World, run_id: str, *, report: bool = False) -> None:
    """Delete the run's documents as a lifecycle rule does."""
    for item in list(world.storage.runs.list(f"{run_id}/")):
        world.storage.runs.delete(item.name)
    if report:
        world.storage.output.delete(RunPaths(run_id).report)


def test_run_of_lost_event_is_started(world: World) -> None:
    run_id = lose_event(world)
    sweep(world.app)
    assert world.finish(run_id) == "finished"


def test_event_in_transit_is_not_lost(world: World) -> None:
    world.upload_frames("clip", 2)
    blob = world.upload_trigger("clip")
    sweep(world.app)
    assert not is_known(world, ids.run_id_for(blob, world.storage.triggers.need(blob).etag))


def test_trigger_overwritten_while_the_app_was_away_starts_one_more_run(world: World) -> None:
    first = world.start("clip", 2)
    world.finish(first)
    sweep(world.app)
    world.clock.advance(days=10)
    second = lose_event(world)
    sweep(world.app)
    assert second != first
    assert (world.status(second), world.status(first)) == ("scoring", "finished")


@pytest.mark.parametrize("report", [False, True])
def test_deleted_run_does_not_start_again(world: World, report: bool) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    world.clock.advance(hours=1)
    sweep(world.app)
    delete_run(world, run_id, report=report)
    for _ in range(3):
        world.clock.advance(days=1)
        sweep(world.app)
    assert not is_known(world, run_id)


def test_deleted_run_does_not_start_in_the_first_sweep(world: World) -> None:
    run_id = world.start("clip", 2)
    world.finish(run_id)
    delete_run(world, run_id)
    world.clock.advance(hours=1)
    sweep(world.app)
    assert not is_known(world, run_id)


def test_first_sweep_starts_no_old_trigger_file(world: World) -> None:
    run_id = lose_event(world)
    world.clock.advance(days=2)
    sweep(world.app)
    assert not is_known(world, run_id)


def test_event_lost_in_a_long_outage_is_found(world: World) -> None:
    sweep(world.app)
    run_id = lose_event(world)
    world.clock.advance(days=20)
    sweep(world.app)
    assert world.status(run_id) == "scoring"


@pytest.mark.parametrize(("name", "known"), [("deep/er/clip", True), ("clip.JSON", True), ("clip.txt", False)])
def test_names_are_those_of_the_filter(world: World, name: str, known: bool) -> None:
    blob = name if "." in name else f"{name}.json"
    world.storage.triggers.write(blob, b"{}")
    world.clock.advance(minutes=5)
    sweep(world.app)
    assert is_known(world, ids.run_id_for(blob, world.storage.triggers.need(blob).etag)) is known


def test_trigger_file_over_the_limit_is_refused(world: World) -> None:
    """Its event is filtered out, so that the host does not load it."""
    run_id = lose_event(world, body=b" " * (MAX_TRIGGER_BYTES + 1))
    sweep(world.app)
    world.assert_refused(run_id, str(MAX_TRIGGER_BYTES))


def test_known_trigger_files_cost_one_listing(world: World) -> None:
    for number in range(20):
        run_id = lose_event(world, f"clip {number}")
        start_run(world.app, f"clip {number}.json")
        world.finish(run_id)
    sweep(world.app)
    world.clock.advance(minutes=10)
    sweep(world.app)
    counted = count_operations(world.app, sweep)
    assert counted.by_resource["triggers/"] == 1
    assert [name for name in counted.by_resource if name.startswith("triggers/clip")] == []
    assert counted.total < 20


def test_pages_follow_each_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_triggers, "PAGE_SIZE", 2)
    runs = [lose_event(world, f"clip {number}") for number in range(5)]
    known = []
    for _ in range(3):
        sweep(world.app)
        known.append(sum(is_known(world, run_id) for run_id in runs))
    assert known == [2, 4, 5]


def test_file_that_could_not_be_examined_is_examined_again(world: World) -> None:
    lost, other = lose_event(world), lose_event(world, "other")

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if name == "clip.json":
            raise ServiceRequestError("the connection was reset")
        return original(name, **options)

    with pytest.raises(ExceptionGroup):
        sweep(world.intercepted("triggers", read=read).app)
    assert (is_known(world, lost), is_known(world, other)) == (False, True)
    world.clock.advance(hours=3)
    sweep(world.app)
    assert is_known(world, lost)


def test_unusable_marker_begins_the_listing_anew(world: World) -> None:
    def page(original: Callable[..., Any], prefix: str, *, marker: str, limit: int) -> Any:
        if marker:
            raise ServiceRequestError("the marker is invalid")
        return original(prefix, marker=marker, limit=1)

    runs = [lose_event(world, f"clip {number}") for number in range(2)]
    broken = world.intercepted("triggers", page=page)
    sweep(broken.app)
    assert read_progress(world.storage).triggers.marker
    with pytest.raises(ExceptionGroup):
        sweep(broken.app)
    assert read_progress(world.storage).triggers.marker == ""
    for _ in range(2):
        sweep(world.app)
    assert [is_known(world, run_id) for run_id in runs] == [True, True]
