"""The HTTP functions as the host calls them: status codes, and JSON with words."""

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

import function_app
from frame_tools.contracts import ids
from frame_tools.contracts.errors import TemporaryError
from tests.support.fake_node import fail
from tests.support.host_call import FUNCTIONS
from tests.support.host_call import call as host_call
from tests.support.world import World

Ask = Callable[..., tuple[int, Any]]
UNKNOWN = "never-was-0123456789"


@pytest.fixture
def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Call an HTTP function of the app; returns the status code and the JSON."""
    monkeypatch.setattr(function_app, "application", lambda: world.app)

    def call(function: str, run_id: str | None = None, body: bytes = b"") -> tuple[int, Any]:
        request = func.HttpRequest(
            method="GET",
            url=f"http://localhost/api/runs/{run_id or ''}",
            route_params={"run_id": run_id} if run_id else {},
            body=body,
        )
        answer = host_call(function, request)
        assert answer.mimetype == "application/json"
        return answer.status_code, json.loads(answer.get_body())

    return call


def test_the_app_has_these_functions_and_routes() -> None:
    triggers = {name: each.get_trigger().get_dict_repr() for name, each in FUNCTIONS.items()}
    assert sorted(name for name, trigger in triggers.items() if trigger["type"] == "timerTrigger") == ["sweep"]
    routes = {
        name: (trigger["route"], [method.value for method in trigger["methods"]], trigger["authLevel"])
        for name, trigger in triggers.items()
        if trigger["type"] == "httpTrigger"
    }
    key = func.AuthLevel.FUNCTION
    assert routes == {
        "list_runs": ("runs", ["GET"], key),
        "get_run": ("runs/{run_id}", ["GET"], key),
        "resubmit_run": ("runs/{run_id}/resubmit", ["POST"], key),
        "cancel_run": ("runs/{run_id}/cancel", ["POST"], key),
        "preflight": ("preflight", ["GET"], key),
    }
    queues = {name: t["queueName"] for name, t in triggers.items() if t["type"] == "queueTrigger"}
    assert queues == {
        "submit_batch": "frame-batches",
        "finish_batch": "finished-batches",
        "trigger_poisoned": "webjobs-blobtrigger-poison",
        "batch_poisoned": "frame-batches-poison",
        "finish_poisoned": "finished-batches-poison",
    }
    assert triggers["start_run"]["path"] == "triggers/{name}"
    assert len(triggers) == 12


def test_a_run_is_shown(world: World, ask: Ask) -> None:
    run_id = world.start("clip")
    code, shown = ask("get_run", run_id)
    assert code == 200
    assert shown["run_id"] == shown["correlation_id"] == run_id
    assert (shown["status"], shown["name"], shown["frames"]) == ("scoring", "clip", 6)
    assert shown["batches"] == {"planned": 3, "done": 0, "failed": []}
    assert (shown["video"], shown["report"], shown["ended_at"]) == (None, None, None)
    world.finish(run_id)
    _, shown = ask("get_run", run_id)
    assert (shown["status"], shown["reason"]) == ("finished", "The video is complete")
    assert shown["video"] == f"output/{run_id}/video.mp4"
    assert shown["report"] == f"output/{run_id}/report.json"


def test_all_runs_are_listed(world: World, ask: Ask) -> None:
    assert ask("list_runs") == (200, {"runs": []})
    ended = world.start("ended", 2)
    world.finish(ended)
    refused = world.fire(world.put_trigger("refused", b"no JSON"))
    still = world.start("under way", 2)
    code, listed = ask("list_runs")
    assert code == 200
    assert {run["run_id"]: run["status"] for run in listed["runs"]} == {
        still: "open",
        ended: "finished",
        refused: "refused",
    }
    assert listed["runs"][0]["run_id"] == still, "open ones first"


def test_a_refused_run_says_why(world: World, ask: Ask) -> None:
    run_id = world.fire(world.put_trigger("clip", b"no JSON"))
    code, shown = ask("get_run", run_id)
    assert (code, shown["status"]) == (200, "refused")
    assert "not JSON" in shown["reason"]
    assert shown["remedy"]


@pytest.mark.parametrize("function", ["get_run", "resubmit_run", "cancel_run"])
def test_a_run_that_is_not_there_is_404_in_words(ask: Ask, function: str) -> None:
    code, said = ask(function, UNKNOWN)
    assert code == 404
    assert "run" in said["error"]
    assert "GET /api/runs" in said["remedy"]


@pytest.mark.parametrize("function", ["get_run", "resubmit_run", "cancel_run"])
@pytest.mark.parametrize("run_id", ["../../etc/passwd", "clip", "A-0123456789", UNKNOWN + "\n", "x" * 400, "größe"])
def test_what_is_no_run_id_is_400_in_words(ask: Ask, function: str, run_id: str) -> None:
    code, said = ask(function, run_id)
    assert code == 400
    assert "is not a run id" in said["error"]
    assert said["remedy"]


def test_resubmitting_answers_202_with_the_run_that_goes_on(world: World, ask: Ask) -> None:
    run_id = world.start("clip")
    world.pump()
    world.paint(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.pump()
    assert ask("get_run", run_id)[1]["failures"] == {"00001": "The frame 000002.jpg is damaged. Upload it again."}
    assert ask("resubmit_run", run_id) == (202, {"run_id": run_id})
    world.finish(run_id)
    code, answer = ask("resubmit_run", run_id, b"[0, 2]")
    assert code == 202
    assert ask("get_run", answer["run_id"])[1]["parent"] == run_id


@pytest.mark.parametrize("body", [b"everything", b"[9]", b'{"which": "some"}'])
def test_a_body_that_can_not_be_used_is_400_in_words(world: World, ask: Ask, body: bytes) -> None:
    code, said = ask("resubmit_run", world.start("clip"), body)
    assert code == 400
    assert said["error"]
    assert said["remedy"]


def test_cancelling_answers_with_the_status(world: World, ask: Ask) -> None:
    run_id = world.start("clip")
    code, shown = ask("cancel_run", run_id)
    assert (code, shown["status"]) == (200, "cancelled")
    assert ask("cancel_run", run_id) == (code, shown)


def test_a_passing_trouble_is_503(world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise TemporaryError("Batch is busy", "Try again")

    monkeypatch.setattr(function_app.cancel, "cancel", busy)
    assert ask("cancel_run", world.start("clip")) == (503, {"error": "Batch is busy", "remedy": "Try again"})


def test_a_trigger_blob_starts_its_run(world: World, ask: Ask) -> None:
    world.put_frames("clip", 2)
    blob = world.put_trigger("clip")

    class Stream:
        name = f"triggers/{blob}"

    host_call("start_run", Stream())
    assert world.status(ids.run_id_for(blob, world.storage.triggers.need(blob).etag)) == "scoring"


@pytest.mark.parametrize(
    "function", ["submit_batch", "finish_batch", "trigger_poisoned", "batch_poisoned", "finish_poisoned"]
)
def test_bytes_that_are_no_text_are_kept_and_raise_nothing(world: World, ask: Ask, function: str) -> None:
    host_call(function, func.QueueMessage(body=b"\xff\xfe\x00"))
    (kept,) = world.storage.logs.list("dead-letter/")
    assert b"\\xff\\xfe" in world.storage.logs.need(kept.name).data


def test_the_timer_sweeps(world: World, ask: Ask) -> None:
    run_id = world.start("clip", 2)
    world.paint(run_id, message=False)
    host_call("sweep", None)
    assert world.status(run_id) == "finished"
