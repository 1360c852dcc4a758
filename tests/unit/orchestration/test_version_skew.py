"""Version skew during an upgrade: documents of a newer version cause temporary errors that fail no run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import function_app
from frame_tools.contracts import ids
from frame_tools.contracts.errors import ErrorCode, InputError, VersionSkewError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.version import IMPASTO_VERSION
from orchestration.handlers.finish_batch import finish_batch
from orchestration.handlers.poison import batch_poisoned, finish_poisoned, trigger_poisoned
from orchestration.handlers.resubmit import parse_resubmit_request, resubmit
from orchestration.handlers.submit_batch import submit_batch
from orchestration.handlers.sweep import sweep
from orchestration.preflight import PoolCheck
from tests.support.fake_node import forget_hashes, read_plan
from tests.support.host_call import call
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain, message

Ask = Callable[[str, str], tuple[int, dict[str, Any]]]

NEWER = "9.8.7"
NEW_IMAGE = "stub:2"


class Upgrade:
    """A stored document that appears to be of a newer version of Impasto, until `finish` completes the upgrade."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name
        self._known = world.storage.runs.need(name).data
        unknown = json.loads(self._known) | {"new_field": 1, "impasto_version": NEWER}
        world.storage.runs.write(name, json.dumps(unknown).encode())

    def finish(self) -> None:
        self._world.storage.runs.write(self._name, self._known)


def upgrading(world: World, **options: Any) -> tuple[str, Upgrade]:
    """Start a run whose plan this version cannot read."""
    run_id = world.start("clip", **options)
    return run_id, Upgrade(world, RunPaths(run_id).plan)


def names_both_versions(text: str) -> bool:
    return NEWER in text and f"this is Impasto {IMPASTO_VERSION}" in text


def test_sweep_continues_the_run_after_the_upgrade(world: World) -> None:
    run_id, upgrade = upgrading(world)
    with pytest.raises(ExceptionGroup) as caught:
        sweep(world.app)
    (error,) = caught.value.exceptions
    assert isinstance(error, VersionSkewError)
    assert names_both_versions(str(error))
    assert world.storage.runs.exists(RunPaths(run_id).open_mark)
    assert not world.storage.runs.exists(RunPaths(run_id).outcome)
    upgrade.finish()
    assert world.finish(run_id) == "finished"


def test_sweep_serves_the_other_runs_meanwhile(world: World) -> None:
    world = world.changed(max_open_runs=1)
    run_id = world.start("first")
    Upgrade(world, RunPaths(run_id).request)
    world.storage.runs.delete(next(iter(world.storage.runs.list("slots/"))).name)
    other = world.start("second")
    drain(world.storage.frame_batches)
    world.clock.advance(minutes=5)
    with pytest.raises(ExceptionGroup):
        sweep(world.app)
    assert len(world.tasks(other)) == 3
    world.score(other)
    with pytest.raises(ExceptionGroup):
        sweep(world.app)
    assert world.status(other) == "finished"


@pytest.mark.parametrize("handler", [submit_batch, finish_batch])
def test_queue_handlers_return_the_message_to_the_queue(world: World, handler: Any) -> None:
    run_id, _ = upgrading(world)
    with pytest.raises(VersionSkewError):
        handler(world.app, message(run_id, 0))
    assert not list(world.storage.logs.list("dead-letter/"))


@pytest.mark.parametrize("handler", [batch_poisoned, finish_poisoned])
def test_poisoned_messages_do_not_fail_the_run(world: World, handler: Any) -> None:
    run_id, upgrade = upgrading(world)
    drain(world.storage.frame_batches)
    handler(world.app, message(run_id, 0))
    assert not any(name.startswith("failures/") for name in world.runs_blobs(run_id))
    upgrade.finish()
    world.clock.advance(minutes=5)
    sweep(world.app)
    assert len(world.tasks(run_id)) == 3
    assert world.finish(run_id) == "finished"


def test_poisoned_trigger_does_not_fail_the_run(world: World) -> None:
    run_id, upgrade = upgrading(world)
    trigger_poisoned(world.app, json.dumps({"ContainerName": "triggers", "BlobName": "clip.json"}))
    assert not world.storage.runs.exists(RunPaths(run_id).outcome)
    upgrade.finish()
    assert world.finish(run_id) == "finished"


@pytest.fixture
def ask_about(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that calls an HTTP function for a run and returns status code and body."""
    monkeypatch.setattr(function_app, "application", lambda: world.app)

    def ask(function: str, run_id: str) -> tuple[int, dict[str, Any]]:
        request = func.HttpRequest(method="GET", url="http://localhost", route_params={"run_id": run_id}, body=b"")
        answer = call(function, request)
        return answer.status_code, json.loads(answer.get_body())

    return ask


def test_resubmission_answers_503_and_names_both_versions(world: World, ask_about: Ask) -> None:
    run_id, upgrade = upgrading(world)
    status_code, body = ask_about("resubmit_run", run_id)
    assert (status_code, names_both_versions(body["detail"])) == (503, True)
    upgrade.finish()
    assert ask_about("resubmit_run", run_id)[0] == 202


def test_status_says_what_the_run_waits_for(world: World, ask_about: Ask) -> None:
    run_id, _ = upgrading(world)
    status_code, body = ask_about("get_run", run_id)
    assert status_code == 200
    assert any(names_both_versions(problem) for problem in body["trouble"])


@pytest.mark.parametrize("document", ["request.json", "plan.json"])
def test_run_of_another_version_can_be_cancelled(world: World, ask_about: Ask, document: str) -> None:
    run_id = world.start("clip")
    Upgrade(world, f"{run_id}/{document}")
    status_code, body = ask_about("cancel_run", run_id)
    assert (status_code, body["status"]) == (200, "cancelled")
    assert world.is_released(run_id)


def test_list_shows_the_other_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    ended = world.fire_trigger(world.upload_trigger("ended", b"no JSON"))
    Upgrade(world, RunPaths(ended).outcome)
    other = world.start("other")
    answer = call("list_runs", func.HttpRequest(method="GET", url="http://localhost", body=b""))
    listed = {run["run_id"]: run["status"] for run in json.loads(answer.get_body())["runs"]}
    assert listed == {ended: "unknown", other: "scoring"}


def test_newer_message_is_retried_and_then_kept(world: World) -> None:
    run_id = world.start("clip")
    text = json.dumps({"v": 99, "run_id": run_id, "batch": 0, "new_field": 1})
    for handler in (submit_batch, finish_batch):
        with pytest.raises(VersionSkewError):
            handler(world.app, text)
    batch_poisoned(world.app, text)
    assert len(list(world.storage.logs.list("dead-letter/"))) == 1
    assert world.finish(run_id) == "finished"


@pytest.mark.parametrize("text", ['{"v": 99, "run_id": "../x", "batch": 0}', '{"v": 99}', '{"v": 1, "x": 2}', "99"])
def test_foreign_message_is_not_a_newer_one(text: str) -> None:
    with pytest.raises(InputError) as caught:
        BatchMessage.parse(text)
    assert not isinstance(caught.value, VersionSkewError)


# The plan fixes the node image of all tasks of a run.


def images(cloud: InMemoryCloud, run_id: str) -> dict[str, str]:
    return {
        task_id: spec.image for (job_id, task_id), spec in cloud.jobs.specs.items() if job_id.startswith(f"{run_id}-j")
    }


def test_all_tasks_of_a_run_use_the_image_of_its_plan(cloud: InMemoryCloud, world: World) -> None:
    run_id = world.start("clip")
    upgraded = world.changed(node_image=NEW_IMAGE)
    upgraded.deliver_messages()
    assert images(cloud, run_id) == dict.fromkeys(["b00000", "b00001", "b00002"], "stub:1")


def test_successors_and_resubmissions_use_the_image_of_the_plan(cloud: InMemoryCloud, world: World) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    upgraded = world.changed(node_image=NEW_IMAGE, join_in_function_bytes=1)
    cloud.jobs.closed.add(ids.job_id(run_id, 0))
    resubmit(upgraded.app, run_id, "missing")
    upgraded.score(run_id)
    upgraded.deliver_messages()
    assert images(cloud, run_id) == {"b00000": "stub:1", "join": "stub:1"}
    assert [job for job, task in cloud.jobs.specs if task == "b00000"] == [f"{run_id}-j0", f"{run_id}-j1"]


def test_child_run_keeps_the_image_for_redone_batches(cloud: InMemoryCloud, world: World) -> None:
    run_id = world.start("clip")
    assert world.finish(run_id) == "finished"
    upgraded = world.changed(node_image=NEW_IMAGE)
    redone = resubmit(upgraded.app, run_id, [1])
    painted = resubmit(upgraded.app, run_id, "all", {"strength": 0.5})
    upgraded.deliver_messages()
    assert images(cloud, redone) == {"b00001": "stub:1"}
    assert set(images(cloud, painted).values()) == {NEW_IMAGE}, "it has a new plan"


def test_plan_of_an_older_version_uses_the_setting(cloud: InMemoryCloud, world: World) -> None:
    run_id = world.start("clip", 2)
    plan = json.loads(world.storage.runs.need(RunPaths(run_id).plan).data)
    del plan["node_image"], plan["impasto_version"]
    world.storage.runs.write(RunPaths(run_id).plan, json.dumps(plan | {"version": 2}).encode())
    forget_hashes(world.storage, run_id)
    world.changed(node_image=NEW_IMAGE).deliver_messages()
    assert images(cloud, run_id) == {"b00000": NEW_IMAGE}


# Blob names and words of earlier versions.


def test_error_of_an_old_node_image_is_handled(cloud: InMemoryCloud, world: World) -> None:
    world = world.changed(sweep_retries=0)
    run_id = world.start("clip", 2)
    world.deliver_messages()
    old = {
        "version": 1,
        "run_id": run_id,
        "step": "00000",
        "reason": "The program p failed",
        "remedy": "Ask the operator",
        "task_id": "b00000",
        "exit_code": 70,
        "happened_at": "2026-01-01T00:00:00+00:00",
    }
    world.storage.runs.write(f"{run_id}/troubles/00000.json", json.dumps(old).encode())
    assert "The program p failed" in world.status_document(run_id)["trouble"][0]
    cloud.jobs.end_step(run_id, 0, exit_code=70)
    sweep(world.app)
    assert world.outcome(run_id).reason == "Batch 0 failed: The program p failed"
    resubmit(world.app, run_id, "missing")
    assert f"{run_id}/troubles/00000.json" not in {item.name for item in world.storage.runs.list(run_id)}


def test_child_run_takes_no_number_that_an_earlier_version_gave(world: World) -> None:
    run_id = world.start("clip")
    world.finish(run_id)
    for number in ("001", "002"):
        world.storage.runs.write(f"{run_id}/offspring/{number}", b"")
    child = resubmit(world.app, run_id, "all")
    assert child == ids.run_id_for("clip.json", f"{run_id}+3")
    assert "child-runs/003" in world.runs_blobs(run_id)


@pytest.mark.parametrize("queue", ["frame_batches", "finished_batches"])
def test_advance_message_of_an_earlier_version_is_understood(world: World, queue: str) -> None:
    run_id = world.start("clip", 2)
    drain(world.storage.frame_batches)
    world.score(run_id, message=False)
    handler = {"frame_batches": submit_batch, "finished_batches": finish_batch}[queue]
    handler(world.app, json.dumps({"v": 1, "run_id": run_id, "batch": "look"}))
    assert not list(world.storage.logs.list("dead-letter/"))
    assert world.status(run_id) == ("finished" if queue == "finished_batches" else "joining")


def test_resubmission_accepts_old_option_names(world: World) -> None:
    run_id = world.start("clip", even="pad")
    world.finish(run_id)
    request = parse_resubmit_request(b'{"which": "all", "options": {"even": "exact", "steady": 0.5, "strength": 0.5}}')
    child = resubmit(world.app, run_id, request.which, request.options)
    assert read_plan(world.storage, run_id).options.odd_size == "pad"
    options = read_plan(world.storage, child).options
    assert (options.odd_size, options.temporal_smoothing) == ("exact", 0.5)


def test_resubmission_rejects_an_option_under_both_names() -> None:
    with pytest.raises(InputError, match="odd_size"):
        parse_resubmit_request(b'{"which": "all", "options": {"even": "exact", "odd_size": "exact"}}')


def test_plan_shows_new_option_names(world: World) -> None:
    run_id = world.start("clip", scorer="look", steady=0.5, even="pad")
    plan = json.loads(world.storage.runs.need(RunPaths(run_id).plan).data)
    assert plan["options"]["scorer"] == "describe"
    assert {"odd_size", "temporal_smoothing"} <= set(plan["options"])
    assert not {"even", "steady"} & set(plan["options"])


def test_old_pool_check_is_read() -> None:
    folder = Path(__file__).parents[1] / "frame_tools" / "contracts" / "old_documents"
    check = PoolCheck.load_stored((folder / "pool_check_v1.json").read_bytes())
    assert (check.version, check.impasto_version, len(check.findings)) == (1, "", 1)
    assert PoolCheck.load_stored(check.dumps()).findings == check.findings


def test_outcome_of_another_version_is_waited_for_until_the_time_limit(world: World, ask_about: Ask) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    names = RunPaths(run_id)
    world.storage.runs.write(names.outcome, json.dumps({"version": 99, "impasto_version": NEWER}).encode())
    with pytest.raises(ExceptionGroup):
        sweep(world.app)
    _, body = ask_about("get_run", run_id)
    assert [names_both_versions(problem) for problem in body["trouble"]] == [True]
    world.clock.advance(hours=world.app.settings.run_hours + 1)
    sweep(world.app)
    assert world.outcome(run_id).code == ErrorCode.RUN_TIMED_OUT
    assert world.is_released(run_id)
    assert world.status(resubmit(world.app, run_id, "missing")) == "scoring"


def test_run_with_a_video_finishes_when_its_outcome_of_another_version_has_been_waited_for(world: World) -> None:
    run_id = world.start("clip")
    assert world.finish(run_id) == "finished"
    names = RunPaths(run_id)
    world.storage.runs.write(names.outcome, json.dumps({"version": 99, "impasto_version": NEWER}).encode())
    world.storage.runs.write(names.open_mark, b"")
    world.clock.advance(hours=world.app.settings.run_hours + 1)
    sweep(world.app)
    assert world.status(run_id) == "finished"


@pytest.mark.parametrize("has_request", [True, False])
def test_status_of_an_ended_run_names_the_version_of_its_outcome(
    world: World, ask_about: Ask, has_request: bool
) -> None:
    run_id = world.start("clip") if has_request else world.fire_trigger(world.upload_trigger("clip", b"no JSON"))
    world.storage.runs.write(RunPaths(run_id).outcome, json.dumps({"version": 99, "impasto_version": NEWER}).encode())
    world.storage.runs.delete(RunPaths(run_id).open_mark)
    status_code, body = ask_about("get_run", run_id)
    assert (status_code, body["status"], body["code"]) == (200, "unknown", ErrorCode.VERSION_SKEW)
    assert names_both_versions(body["reason"])


def test_status_names_the_version_of_a_receipt(world: World, ask_about: Ask) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, message=False)
    upgrade = Upgrade(world, RunPaths(run_id).receipt(1))
    with pytest.raises(VersionSkewError):
        finish_batch(world.app, message(run_id, "advance"))
    _, body = ask_about("get_run", run_id)
    assert [names_both_versions(problem) for problem in body["trouble"]] == [True]
    upgrade.finish()
    finish_batch(world.app, message(run_id, "advance"))
    assert world.status(run_id) == "finished"


@pytest.mark.parametrize("document", ["plan.json", "batches/00001.json", "outcome.json", "delay.json"])
def test_unknown_field_without_another_version_is_damage(world: World, document: str) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 1)
    name = f"{run_id}/{document}"
    known = world.storage.runs.read(name)
    fields = json.loads(known.data) if known else {"version": 1, "run_id": run_id, "impasto_version": IMPASTO_VERSION}
    world.storage.runs.write(name, json.dumps(fields | {"new_field": 1}).encode())
    for _ in range(3):
        world.clock.advance(minutes=5)
        sweep(world.app)
        world.score(run_id)
    world.deliver_messages()
    assert world.status(run_id) == "finished"
