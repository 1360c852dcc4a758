"""Every document of a run, damaged in every way at every moment: the run ends, and no other run notices."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError, MissingError, NextStep
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.reporting.listing import list_runs
from tests.support.fake_node import fail
from tests.support.in_memory_host import InMemoryHost
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World

Damage = Callable[[bytes], bytes | None]
"""Maps a document to what is stored in its place; None deletes it."""


def _with_field(name: str, value: object) -> Damage:
    def damage(data: bytes) -> bytes:
        return json.dumps(json.loads(data or b"{}") | {name: value}).encode()

    return damage


def _with_times(text: str) -> Damage:
    """Return the damage that replaces all times of a document, or the text that is only a time."""

    def damage(data: bytes) -> bytes:
        if not data.startswith(b"{"):
            return text.encode()
        fields = json.loads(data)
        return json.dumps({name: text if name.endswith("_at") else value for name, value in fields.items()}).encode()

    return damage


DAMAGES: dict[str, Damage] = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "not_utf8": lambda _: b"\xff\xfe\x00\x80",
    "not_json": lambda _: b"clip",
    "deeply_nested": lambda _: b"[" * 10_000,
    "list": lambda _: b"[]",
    "number": lambda _: b"7",
    "other_fields": lambda _: b'{"version": 2}',
    "other_run": _with_field("run_id", "other-0123456789"),
    "old_times": _with_times("0001-01-01T00:00:00+00:00"),
    "late_times": _with_times("9999-12-31T23:59:59+00:00"),
    "times_without_zone": _with_times("2026-01-01T00:00:00"),
    "no_times": _with_times("yesterday"),
    "deleted": lambda _: None,
}

TEXT_DOCUMENTS = ("resumed", "queued-batches", "queued-split", "jobs/000", "done.log", "join.lease")
"""Blobs that are no JSON: they mark something, or contain one line."""

SPLIT_VIDEO: dict[str, Any] = {"video": "video.mp4", "source": "frames", "scorer": "describe"}
"""Options of a run whose video is split into frames."""

MOMENTS: dict[str, tuple[str, ...]] = {
    "waiting": ("request.json",),
    "split": ("request.json", "split.json", "manifest.json", "queued-split"),
    "planned": ("request.json", "plan.json", "manifest.json", "queued-batches"),
    "scoring": (
        "request.json",
        "plan.json",
        "manifest.json",
        "batches/00000.json",
        "errors/00001.json",
        "pool.json",
        "resumed",
        "done.log",
        "jobs/000",
        "queued-batches",
    ),
    "scored": ("request.json", "plan.json", "manifest.json", "batches/00001.json", "pool.json"),
    "step_failed": ("failures/00001.json",),
    "ended": ("outcome.json", "request.json", "plan.json"),
}
"""Moment -> documents that are damaged at that moment."""


def cases() -> Iterator[tuple[str, str, str]]:
    for moment, documents in MOMENTS.items():
        for document in documents:
            for damage in DAMAGES:
                is_vanished = (moment, document, damage) == ("waiting", "request.json", "deleted")
                if is_vanished or (damage == "other_run" and document in TEXT_DOCUMENTS):
                    continue  # nothing of that run is left; text names no run
                yield moment, document, damage


@pytest.fixture
def host(cloud: InMemoryCloud, world: World) -> InMemoryHost:
    return InMemoryHost(cloud, world)


def start_at(host: InMemoryHost, moment: str) -> str:
    """Start a run of two batches and take it to the moment."""
    world = host.world
    if moment == "split":
        world.storage.input.write("video/video.mp4", b"a video")
        run_id = world.fire_trigger(world.upload_trigger("video", **SPLIT_VIDEO))
        host.deliver()
        host.execute_tasks()
        return run_id
    starting = world.changed(max_open_runs=0) if moment == "waiting" else world
    run_id = starting.start("clip", 4, scorer="describe")
    if moment in ("waiting", "planned"):
        return run_id
    world.deliver_messages()
    world.storage.runs.write(RunPaths(run_id).resumed, world.app.clock.now().isoformat().encode())
    world.storage.runs.write(RunPaths(run_id).error("00001"), b"{}")
    world.score(run_id, *((0, 1) if moment in ("scored", "ended") else (0,)), message=moment != "scored")
    if moment == "step_failed":
        fail(world.storage, run_id, 1)
    elif moment == "ended":
        world.deliver_messages()
    return run_id


def apply(world: World, run_id: str, document: str, damage: str) -> None:
    """Damage a document of the run; one that does not exist yet is created damaged."""
    name = f"{run_id}/{document}"
    blob = world.storage.runs.read(name)
    changed = DAMAGES[damage](blob.data if blob else b"")
    if changed is None:
        world.storage.runs.delete(name)
    else:
        world.storage.runs.write(name, changed)


def follow_remedy(host: InMemoryHost, run_id: str) -> str:
    """Do what the status of a run that has not finished says; return the status of the run that results."""
    document = host.world.status_document(run_id)
    if document["next_step"] == NextStep.START_NEW_RUN:
        name = "video" if run_id.startswith("video") else "clip"
        options: dict[str, Any] = SPLIT_VIDEO if name == "video" else {"scorer": "describe"}
        run_id = host.world.fire_trigger(host.world.upload_trigger(name, **options))
    else:
        assert document["next_step"] == NextStep.RESUBMIT, document
        assert resubmit(host.app, run_id, "missing") == run_id
    host.play_until_end(run_id)
    return host.world.status(run_id)


@pytest.mark.parametrize(("moment", "document", "damage"), list(cases()))
def test_damaged_document(host: InMemoryHost, moment: str, document: str, damage: str) -> None:
    world = host.world
    before = world.start("before", 2, scorer="describe")
    run_id = start_at(host, moment)
    apply(world, run_id, document, damage)
    after = world.start("after", 2, scorer="describe")
    assert world.status(run_id)
    assert run_id in {run["run_id"] for run in list_runs(world.app)}
    runs = (run_id, before, after)
    host.play(until=lambda: all(host.outcome(each) and world.is_released(each) for each in runs))
    assert [host.outcome(each).status for each in (before, after)] == ["finished", "finished"]
    status = world.status(run_id)
    if status != "finished":
        assert world.status_document(run_id)["reason"]
        assert follow_remedy(host, run_id) == "finished"
    assert host.sweep_errors == []
    assert not list(world.storage.runs.list(paths.slot(0))), "the slots are free"


@pytest.mark.parametrize(
    ("moment", "document"), [(moment, document) for moment, documents in MOMENTS.items() for document in documents]
)
def test_run_with_damaged_document_can_be_cancelled(host: InMemoryHost, moment: str, document: str) -> None:
    run_id = start_at(host, moment)
    apply(host.world, run_id, document, "not_utf8")
    cancel(host.app, run_id)
    host.play_until_end(run_id)
    assert host.world.status(run_id) in ("cancelled", "finished", "failed")
    assert host.world.status(run_id) == "cancelled" or moment in ("ended", "step_failed", "scored")
    assert host.world.is_released(run_id)


@pytest.mark.parametrize("document", ["request.json", "plan.json", "failures/00001.json"])
def test_run_of_another_version_ends_at_its_time_limit(host: InMemoryHost, document: str) -> None:
    run_id = start_at(host, "step_failed" if document.startswith("failures") else "scoring")
    name = f"{run_id}/{document}"
    stored = json.loads(host.world.storage.runs.need(name).data)
    host.world.storage.runs.write(name, json.dumps(stored | {"version": 99}).encode())
    host.play(rounds=3)
    assert host.outcome(run_id) is None
    assert "99" in host.world.status_document(run_id)["trouble"][0]
    host.world.clock.advance(hours=host.app.settings.run_hours)
    outcome = host.play_until_end(run_id)
    assert (outcome.status, outcome.code) == ("failed", ErrorCode.RUN_TIMED_OUT)
    assert "99" in outcome.reason
    assert host.world.is_released(run_id)


def test_resubmission_of_run_without_request_names_the_way_on(host: InMemoryHost) -> None:
    run_id = start_at(host, "scoring")
    apply(host.world, run_id, "request.json", "truncated")
    host.play_until_end(run_id)
    with pytest.raises(DamagedError) as caught:
        resubmit(host.app, run_id, "missing")
    assert caught.value.next_step is NextStep.START_NEW_RUN
    with pytest.raises((DamagedError, MissingError, InputError)):
        resubmit(host.app, run_id, [0])


def test_damaged_outcome_of_ended_run_is_unknown(host: InMemoryHost) -> None:
    run_id = start_at(host, "ended")
    video = host.world.status_document(run_id)["records"]
    apply(host.world, run_id, "outcome.json", "truncated")
    document = host.world.status_document(run_id)
    assert (document["status"], document["next_step"]) == ("unknown", NextStep.RESUBMIT)
    assert document["records"] == video
    resubmit(host.app, run_id, "missing")
    assert host.world.status(run_id) == "finished"


def test_quarantined_document_can_be_examined(host: InMemoryHost) -> None:
    run_id = start_at(host, "scored")
    apply(host.world, run_id, "plan.json", "not_json")
    host.play_until_end(run_id)
    (name,) = (item.name for item in host.world.storage.runs.list(f"{run_id}/damaged/"))
    assert host.world.storage.runs.need(name).data == b"clip"


@pytest.mark.parametrize("name", ["slots/0000", "sweep-progress.json", "open/stray"])
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b"other-0123456789", b'{"version": 1, "next_run": 3}'])
def test_damaged_shared_document_stops_nobody(host: InMemoryHost, name: str, damage: bytes) -> None:
    before = start_at(host, "planned")
    host.world.storage.runs.write(name, damage)
    after = host.world.start("after", 2, scorer="describe")
    host.play(until=lambda: all(host.outcome(each) for each in (before, after)))
    assert [host.world.status(run_id) for run_id in (before, after)] == ["finished", "finished"]
    assert {run["run_id"] for run in list_runs(host.app)} == {before, after}
    assert host.sweep_errors == []


@pytest.mark.parametrize("name", ["no-run/request.json", "open/no run", "jobs/000", "batches/x.json", "batches/².json"])
def test_foreign_blobs_are_ignored(host: InMemoryHost, name: str) -> None:
    run_id = start_at(host, "scoring")
    host.world.storage.runs.write(name if name.startswith(("no", "open")) else f"{run_id}/{name}", b"\xff")
    host.world.storage.runs.write(f"{run_id}/jobs/²", b"")
    assert host.play_until_end(run_id).status == "finished"
    assert [run["run_id"] for run in list_runs(host.app)] == [run_id]
