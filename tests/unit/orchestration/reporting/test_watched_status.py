"""The kept status never lies for long: whatever writes in between, it is the run's status, or soon computed again."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from frame_tools.contracts import paths
from frame_tools.contracts.paths import RunPaths
from orchestration.handlers.cancel import cancel
from orchestration.handlers.resubmit import resubmit
from orchestration.handlers.sweep import sweep
from orchestration.reporting.status import run_status
from orchestration.reporting.watched_status import (
    ALONE,
    COMPUTING,
    ENDED_FRESH,
    FRESH,
    StatusDocument,
    watched_status,
)
from tests.support.world import World


@pytest.fixture
def run_id(world: World) -> str:
    """A run of three batches whose tasks have been created."""
    run_id = world.start("clip")
    world.deliver_messages()
    return run_id


def watched(world: World, run_id: str) -> str:
    status = watched_status(world.app, run_id)
    assert status is not None
    return str(status["status"])


def stored(world: World, run_id: str) -> StatusDocument:
    return StatusDocument.load_stored(world.storage.runs.need(paths.status_document(run_id)).data)


def advance(world: World, duration: dt.timedelta) -> None:
    world.clock.advance(seconds=duration.total_seconds() + 0.1)


def test_answer_is_the_computed_one(world: World, run_id: str) -> None:
    for _ in range(2):
        assert json.loads(json.dumps(watched_status(world.app, run_id))) == json.loads(
            json.dumps(run_status(world.app, run_id))
        )


def test_unknown_run_leaves_nothing(world: World) -> None:
    assert watched_status(world.app, "clip-0123456789") is None
    assert not world.storage.runs.exists(paths.status_document("clip-0123456789"))


def test_answer_of_an_open_run_ends_its_time(world: World, run_id: str) -> None:
    assert watched(world, run_id) == "scoring"
    world.score(run_id, message=False)
    assert watched(world, run_id) == "scoring"
    advance(world, FRESH)
    assert watched(world, run_id) == "joining"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda world, run_id: world.finish(run_id), "finished"),
        (lambda world, run_id: cancel(world.app, run_id), "cancelled"),
    ],
)
def test_handler_s_change_is_seen_at_once(
    world: World, run_id: str, change: Callable[[World, str], object], status: str
) -> None:
    assert watched(world, run_id) == "scoring"
    change(world, run_id)
    assert watched(world, run_id) == status
    assert watched_status(world.app, run_id) == json.loads(json.dumps(run_status(world.app, run_id)))


def test_resubmission_is_seen_at_once(world: World, run_id: str) -> None:
    cancel(world.app, run_id)
    assert watched(world, run_id) == "cancelled"
    resubmit(world.app, run_id, "missing")
    assert watched(world, run_id) == "scoring"


@pytest.mark.parametrize("had_answer", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda world, run_id: cancel(world.app, run_id),
        lambda world, run_id: world.finish(run_id),
    ],
)
def test_answer_from_before_a_change_is_not_written_after_it(
    world: World, run_id: str, had_answer: bool, change: Callable[[World, str], object]
) -> None:
    """A watcher reads the run's documents, a handler ends the run, and the watcher writes last."""
    if had_answer:
        watched(world, run_id)
        advance(world, FRESH)
    done = list[None]()

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        blob = original(name, **options)
        if name == RunPaths(run_id).plan and not done:
            done.append(None)
            change(world, run_id)
        return blob

    slow = world.intercepted("runs", read=read)
    assert watched(slow, run_id) != world.status(run_id)
    assert watched(world, run_id) == world.status(run_id)


def test_end_is_not_written_after_a_resubmission(world: World, run_id: str) -> None:
    """An answer of a run that has ended counts for minutes, so this one would be wrong for minutes."""
    cancel(world.app, run_id)
    done = list[None]()

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        blob = original(name, **options)
        if name == RunPaths(run_id).outcome and not done:
            done.append(None)
            resubmit(world.app, run_id, "missing")
        return blob

    slow = world.intercepted("runs", read=read)
    assert watched(slow, run_id) == "cancelled"
    assert watched(world, run_id) == "scoring"


def test_watchers_get_the_last_answer_while_one_computes(world: World, run_id: str) -> None:
    watched(world, run_id)
    world.score(run_id, message=False)
    advance(world, FRESH)
    seen = list[str]()

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if name == RunPaths(run_id).plan:
            seen.append(watched(world, run_id))
        return original(name, **options)

    assert watched(world.intercepted("runs", read=read), run_id) == "joining"
    assert seen == ["scoring"]
    assert stored(world, run_id).computing_since is None


def during_computation(world: World, run_id: str, call: Callable[[], object]) -> World:
    """Return a world in which `call` is made, once, while a status of the run is computed."""
    done = list[None]()

    def read(original: Callable[..., Any], name: str, **options: Any) -> Any:
        if name == RunPaths(run_id).request and not done:
            done.append(None)
            call()
        return original(name, **options)

    return world.intercepted("runs", read=read)


def test_end_is_computed_by_one_watcher(world: World, run_id: str) -> None:
    """The others get the last answer until then, and only then."""
    watched(world, run_id)
    world.finish(run_id)
    seen = list[str]()
    first = during_computation(world, run_id, lambda: seen.extend(watched(world, run_id) for _ in range(3)))
    assert watched(first, run_id) == "finished"
    assert seen == 3 * ["scoring"]
    assert watched(world, run_id) == "finished"


def test_end_is_seen_although_the_watcher_who_computes_dies(world: World, run_id: str) -> None:
    watched(world, run_id)
    world.finish(run_id)
    claimed = stored(world, run_id).model_copy(update={"computing_since": world.clock.now()})
    assert claimed.is_outdated
    world.storage.runs.write(paths.status_document(run_id), claimed.dumps())
    assert watched(world, run_id) == "scoring"
    advance(world, COMPUTING)
    assert watched(world, run_id) == "finished"


def test_old_answer_is_not_left_behind(world: World, run_id: str) -> None:
    """Nobody has watched for a while."""
    watched(world, run_id)
    advance(world, ALONE)
    world.finish(run_id)
    assert stored(world, run_id).answer is None


def test_resubmission_leaves_no_end_behind(world: World, run_id: str) -> None:
    """A client that continues a run would take the end for the new one."""
    cancel(world.app, run_id)
    watched(world, run_id)
    resubmit(world.app, run_id, "missing")
    seen = list[str]()
    first = during_computation(world, run_id, lambda: seen.append(watched(world, run_id)))
    assert watched(first, run_id) == "scoring"
    assert seen == ["scoring"]


def test_end_while_an_answer_is_written(world: World, run_id: str) -> None:
    """The end's handler has read an answer that a watcher replaces before it is left behind."""
    watched(world, run_id)
    advance(world, FRESH)
    tries = list[None]()

    def replace(original: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
        if name == paths.status_document(run_id) and not tries:
            tries.append(None)
            world.storage.runs.write(name, world.storage.runs.need(name).data)
        return original(name, *args, **options)

    assert world.intercepted("runs", replace=replace).finish(run_id) == "finished"
    assert tries
    assert stored(world, run_id).answer is None
    assert watched(world, run_id) == "finished"


def test_watcher_who_died_is_replaced(world: World, run_id: str) -> None:
    watched(world, run_id)
    world.score(run_id, message=False)
    advance(world, FRESH)
    died = stored(world, run_id).model_copy(update={"computing_since": world.clock.now()})
    world.storage.runs.write(paths.status_document(run_id), died.dumps())
    assert watched(world, run_id) == "scoring"
    advance(world, COMPUTING)
    assert watched(world, run_id) == "joining"


def test_only_one_of_several_watchers_computes(world: World, run_id: str) -> None:
    """Two have read the same answer; the one who is second to say so gives it."""
    watched(world, run_id)
    world.score(run_id, message=False)
    advance(world, FRESH)
    begun = list[None]()

    def replace(original: Callable[..., Any], name: str, *args: Any, **options: Any) -> Any:
        if not begun:
            begun.append(None)
            assert watched(world, run_id) == "joining"
        return original(name, *args, **options)

    assert watched(world.intercepted("runs", replace=replace), run_id) == "scoring"
    assert watched(world, run_id) == "joining"


@pytest.mark.parametrize("data", [b"", b"{", b'{"version": 99}', b"[" * (StatusDocument.max_bytes + 9)])
def test_damaged_document_is_replaced(world: World, run_id: str, data: bytes) -> None:
    world.storage.runs.write(paths.status_document(run_id), data)
    assert watched(world, run_id) == "scoring"
    assert stored(world, run_id).answer is not None


def test_document_of_another_run_is_replaced(world: World, run_id: str) -> None:
    watched(world, run_id)
    other = world.start("other")
    world.storage.runs.write(paths.status_document(other), world.storage.runs.need(paths.status_document(run_id)).data)
    status = watched_status(world.app, other)
    assert status is not None
    assert status["run_id"] == other


@pytest.mark.parametrize("ended", [True, False])
def test_answer_from_the_future_is_computed_again(world: World, run_id: str, ended: bool) -> None:
    watched(world, run_id)
    false = stored(world, run_id).model_copy(
        update={"began_at": world.clock.now() + dt.timedelta(minutes=1), "is_ended": ended}
    )
    world.storage.runs.write(paths.status_document(run_id), false.dumps())
    world.score(run_id, message=False)
    assert watched(world, run_id) == "joining"


def test_wrong_end_is_wrong_for_minutes_only(world: World, run_id: str) -> None:
    """A process died between two writes."""
    cancel(world.app, run_id)
    watched(world, run_id)
    lie = world.storage.runs.need(paths.status_document(run_id)).data
    resubmit(world.app, run_id, "missing")
    world.storage.runs.write(paths.status_document(run_id), lie)
    assert watched(world, run_id) == "cancelled"
    advance(world, ENDED_FRESH)
    assert watched(world, run_id) == "scoring"


def test_large_status_is_not_kept(world: World, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StatusDocument, "max_bytes", 100)
    assert watched(world, run_id) == "scoring"
    assert not world.storage.runs.exists(paths.status_document(run_id))


def test_nothing_decides_on_it(world: World, run_id: str) -> None:
    """A forged status, or none, changes no run."""
    cancel(world.app, run_id)
    watched(world, run_id)
    lie = world.storage.runs.need(paths.status_document(run_id)).data
    resubmit(world.app, run_id, "missing")
    world.storage.runs.write(paths.status_document(run_id), lie)
    sweep(world.app)
    assert world.finish(run_id) == "finished"
    assert watched(world, run_id) == "finished"


def test_alone_is_longer_than_fresh() -> None:
    assert FRESH < ALONE < ALONE + COMPUTING < ENDED_FRESH
