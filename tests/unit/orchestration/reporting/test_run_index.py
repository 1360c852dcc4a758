"""The list of runs: entries follow the runs, whatever crashes, and old runs are listed, too."""

import base64
import json

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.answers import RunPage
from frame_tools.contracts.calls import RunsQuery
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from orchestration.reporting.listing import Cursor, list_page
from tests.support.crash import SimulatedCrash, crash_after
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World


@pytest.fixture
def indexed(world: World) -> World:
    """Return a world without runs of earlier versions."""
    sweep(world.app)
    return world


def listed(world: World, **query: object) -> dict[str, str]:
    """Return the status of each listed run."""
    return {row.run_id: row.status for row in list_page(world.app, RunsQuery.model_validate(query)).runs}


def forget_list(world: World) -> None:
    """Remove all that a version without a list of runs does not have."""
    runs = world.storage.runs
    for item in [*runs.list(paths.INDEX), *(item for item in runs.list("") if item.name.endswith("/listed"))]:
        runs.delete(item.name)


def test_entry_follows_the_run(indexed: World) -> None:
    run_id = indexed.start("clip", label="spring", strength=0.5)
    assert listed(indexed) == {run_id: "scoring"}
    indexed.finish(run_id)
    (row,) = list_page(indexed.app, RunsQuery()).runs
    assert (row.status, row.frames, row.label, row.strength) == ("finished", 6, "spring", 0.5)
    assert row.video == f"output/{run_id}/video.mp4"
    assert str(row.received_at) < str(row.ended_at)


def test_resubmitted_run_is_listed_as_open_again(indexed: World) -> None:
    run_id = indexed.start("clip")
    cancel(indexed.app, run_id)
    assert listed(indexed) == {run_id: "cancelled"}
    resubmit(indexed.app, run_id, "missing")
    assert listed(indexed) == {run_id: "scoring"}
    indexed.finish(run_id)
    child = resubmit(indexed.app, run_id, [0])
    assert listed(indexed) == {child: "scoring", run_id: "finished"}
    assert list_page(indexed.app, RunsQuery()).runs[0].parent == run_id


def test_refused_trigger_is_listed(indexed: World) -> None:
    run_id = indexed.fire_trigger(indexed.upload_trigger("clip", b"not JSON"))
    assert listed(indexed, status="refused") == {run_id: "refused"}


@pytest.mark.parametrize("writes", range(12))
def test_run_is_listed_although_its_first_handler_died(writes: int) -> None:
    world = InMemoryCloud().world()
    sweep(world.app)
    world.upload_frames("clip")
    blob = world.upload_trigger("clip")
    try:
        World(crash_after(world.app, writes)).fire_trigger(blob)
    except SimulatedCrash:
        world.clock.advance(minutes=5)
        sweep(world.app)
        run_id = world.fire_trigger(blob)
    else:
        run_id = next(iter(listed(world)))
    assert listed(world) == {run_id: "scoring"}


@pytest.mark.parametrize("writes", range(0, 30, 2))
def test_end_is_listed_although_a_handler_died(writes: int) -> None:
    cloud = InMemoryCloud()
    world = cloud.world()
    sweep(world.app)
    run_id = world.start("clip", 2)
    world.deliver_messages()
    world.score(run_id, message=False)
    try:
        World(crash_after(world.app, writes)).fire_trigger("clip.json")
    except SimulatedCrash:
        cloud.expire_leases()
        sweep(world.app)
    assert listed(world) == {run_id: "finished"}


def test_waiting_run_without_entry_is_listed_by_the_sweep() -> None:
    world = InMemoryCloud().world(max_open_runs=1)
    first, second = world.start("first", 2), world.start("second", 2)
    sweep(world.app)
    entry = next(item.name for item in world.storage.runs.list(paths.INDEX) if item.name.endswith(second))
    world.storage.runs.delete(entry)
    world.storage.runs.delete(RunPaths(second).listed)
    assert listed(world) == {first: "scoring"}
    sweep(world.app)
    assert listed(world) == {first: "scoring", second: "waiting"}


def test_late_write_of_a_stale_entry_is_corrected(indexed: World) -> None:
    run_id = indexed.start("clip")
    (item,) = [item for item in indexed.storage.runs.page(paths.INDEX, with_metadata=True).items if item.metadata]
    indexed.finish(run_id)
    indexed.storage.runs.write(item.name, b"", metadata=item.metadata)
    assert listed(indexed) == {run_id: "finished"}
    (item,) = [item for item in indexed.storage.runs.page(paths.INDEX, with_metadata=True).items if item.metadata]
    assert json.loads(item.metadata["row"])["status"] == "finished"


@pytest.mark.parametrize("row", ["", "{", "[]", '{"run_id": 1}'])
def test_damaged_entry_is_made_again(indexed: World, row: str) -> None:
    run_id = indexed.start("clip")
    entry = next(item.name for item in indexed.storage.runs.list(paths.INDEX) if item.name.endswith(run_id))
    indexed.storage.runs.write(entry, b"", metadata={"row": row})
    assert listed(indexed) == {run_id: "scoring"}


def test_foreign_blobs_among_the_entries_are_ignored(indexed: World) -> None:
    run_id = indexed.start("clip")
    for name in ("0", "zzz", "0000000000000-no run", "9999999999999-../x"):
        indexed.storage.runs.write(f"{paths.INDEX}{name}", b"")
    assert listed(indexed) == {run_id: "scoring"}


def test_runs_of_earlier_versions_are_listed_before_and_after_the_pass_over_them(world: World) -> None:
    ended, still = world.start("ended", 2), world.start("open", 2)
    refused = world.fire_trigger(world.upload_trigger("refused", b"not JSON"))
    world.finish(ended)
    forget_list(world)
    expected = {ended: "finished", still: "scoring", refused: "refused"}
    assert listed(world) == expected
    assert list(world.storage.runs.list(paths.INDEX)) == []
    sweep(world.app)
    assert world.storage.runs.exists(paths.INDEX_COMPLETE)
    assert listed(world) == expected


def pages(world: World, limit: int) -> list[RunPage]:
    """Return all pages of the list."""
    found, after = list[RunPage](), None
    while not found or after is not None:
        found.append(list_page(world.app, RunsQuery(limit=limit, after=after)))
        after = found[-1].next
    return found


@pytest.mark.parametrize("is_indexed", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_pages_are_stable_while_new_runs_arrive(is_indexed: bool, limit: int) -> None:
    world = InMemoryCloud().world()
    if is_indexed:
        sweep(world.app)
    for number in range(5):
        world.start(f"clip {number}", 2)
        world.clock.advance(seconds=1)
    names = [row.name for page in pages(world, limit) for row in page.runs]
    assert names == [f"clip {number}" for number in reversed(range(5))]
    first = list_page(world.app, RunsQuery(limit=limit))
    world.start("new", 2)
    if first.next is not None:
        second = list_page(world.app, RunsQuery(limit=limit, after=first.next))
        assert [row.name for row in second.runs] == names[limit : 2 * limit]


def test_rare_runs_are_found_page_by_page(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.reporting.listing.MAX_ENTRIES", 2)
    for number in range(5):
        indexed.start(f"clip {number}", 2, **({"label": "rare"} if number in (0, 3) else {}))
        indexed.clock.advance(seconds=1)
    names, after = [], None
    for _ in range(4):
        page = list_page(indexed.app, RunsQuery(label="rare", after=after))
        names += [row.name for row in page.runs]
        after = page.next
        if after is None:
            break
    assert (names, after) == (["clip 3", "clip 0"], None)


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "größe",
        "",
        "AAAA",
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b'["entries", "a"]').decode(),
        base64.urlsafe_b64encode(b'["others", "", ""]').decode(),
        base64.urlsafe_b64encode(b'["entries", 1, ""]').decode(),
        base64.urlsafe_b64encode(b"[" * 1200).decode(),
    ],
)
def test_hostile_cursor_is_rejected(indexed: World, after: str) -> None:
    with pytest.raises(InputError):
        list_page(indexed.app, RunsQuery(after=after))


def test_invented_cursor_reveals_nothing_but_runs(indexed: World) -> None:
    run_id = indexed.start("clip")
    for last in ("", f"{run_id}/", "zzz"):
        page = list_page(indexed.app, RunsQuery(after=Cursor(marker="", last=last).text()))
        assert {row.run_id for row in page.runs} <= {run_id}


def test_row_of_many_long_names_fits_into_metadata(indexed: World) -> None:
    styles = [{"at": number, "style": f"{number:02d}{'ö' * 90}.jpg"} for number in range(16)]
    indexed.start("ö" * 100, 2, scorer="any", key_styles=styles)
    (row,) = list_page(indexed.app, RunsQuery()).runs
    assert row.name == "ö" * 100
    metadata = [item.metadata for item in indexed.storage.runs.page(paths.INDEX, with_metadata=True).items]
    assert all(len(row["row"]) < 8000 and row["row"].isascii() for row in metadata if row)
