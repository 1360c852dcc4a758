"""The functions as the host calls them: triggers, HTTP status codes and JSON bodies."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

import function_app
from frame_tools.contracts import ids
from frame_tools.contracts.calls import RunsQuery, parse_query
from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ImpastoError,
    InputError,
    InternalError,
    MissingError,
    NextStep,
    TemporaryError,
)
from frame_tools.storage.patience import BACKGROUND, INTERACTIVE
from orchestration.app import App
from orchestration.handlers import cancel as cancel_handler
from orchestration.reporting.listing import list_runs
from tests.support.fake_node import fail
from tests.support.host_call import FUNCTIONS, INVOCATION
from tests.support.host_call import call as host_call
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World

Ask = Callable[..., tuple[int, Any]]
UNKNOWN = "never-was-0123456789"


@pytest.fixture
def ask(world: World, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that calls an HTTP function of the app and returns status code and JSON body."""
    monkeypatch.setattr(function_app, "application", lambda: world.app)

    def call(function: str, run_id: str | None = None, body: bytes = b"") -> tuple[int, Any]:
        request = func.HttpRequest(
            method="GET",
            url=f"http://localhost/api/runs/{run_id or ''}",
            route_params={"run_id": run_id} if run_id else {},
            body=body,
        )
        answer = host_call(function, request)
        assert answer.mimetype == ("application/json" if answer.status_code < 400 else "application/problem+json")
        return answer.status_code, json.loads(answer.get_body())

    return call


def test_app_has_expected_functions_and_routes() -> None:
    triggers = {name: each.get_trigger().get_dict_repr() for name, each in FUNCTIONS.items()}
    assert sorted(name for name, trigger in triggers.items() if trigger["type"] == "timerTrigger") == ["sweep"]
    routes = {
        name: (trigger["route"], [method.value for method in trigger["methods"]], trigger["authLevel"])
        for name, trigger in triggers.items()
        if trigger["type"] == "httpTrigger" and not name.startswith("ui_")
    }
    key = func.AuthLevel.FUNCTION
    assert routes == {
        "list_runs": ("api/runs", ["GET"], key),
        "get_run": ("api/runs/{run_id}", ["GET"], key),
        "resubmit_run": ("api/runs/{run_id}/resubmit", ["POST"], key),
        "cancel_run": ("api/runs/{run_id}/cancel", ["POST"], key),
        "preflight": ("api/preflight", ["GET"], key),
        "list_programs": ("api/programs", ["GET"], key),
        "post_run": ("api/runs", ["POST"], key),
        "post_upload": ("api/uploads", ["POST"], key),
        "post_preview": ("api/previews", ["POST"], key),
        "get_preview": ("api/previews/{preview_id}", ["GET"], key),
        "list_frames": ("api/runs/{run_id}/frames", ["GET"], key),
        "list_batches": ("api/runs/{run_id}/batches", ["GET"], key),
        "list_logs": ("api/runs/{run_id}/logs", ["GET"], key),
        "get_openapi": ("api/openapi.json", ["GET"], key),
    }
    queues = {name: t["queueName"] for name, t in triggers.items() if t["type"] == "queueTrigger"}
    assert queues == {
        "submit_batch": "frame-batches",
        "finish_batch": "finished-batches",
        "trigger_poisoned": "webjobs-blobtrigger-poison",
        "batch_poisoned": "frame-batches-poison",
        "finish_poisoned": "finished-batches-poison",
    }
    # Messages of strangers may be no text, and must reach the app as they are.
    assert {name for name, t in triggers.items() if t.get("dataType") == func.DataType.BINARY} == set(queues)
    assert triggers["start_run"]["path"] == "triggers/{name}"
    assert len([name for name in triggers if not name.startswith("ui_")]) == 7 + len(routes)


def test_screens_are_anonymous_and_data_needs_the_key() -> None:
    triggers = {name: each.get_trigger().get_dict_repr() for name, each in FUNCTIONS.items() if name.startswith("ui_")}
    levels = {trigger["route"]: trigger["authLevel"] for trigger in triggers.values()}
    assert levels == {
        "/": func.AuthLevel.ANONYMOUS,
        "ui/assets/{version}/{*name}": func.AuthLevel.ANONYMOUS,
        "ui/{screen?}": func.AuthLevel.ANONYMOUS,
        "ui/runs/{run_id}": func.AuthLevel.ANONYMOUS,
        "ui/parts/{part}/{run_id?}": func.AuthLevel.FUNCTION,
        "ui/actions/{action}": func.AuthLevel.FUNCTION,
    }


def test_get_run_returns_status(world: World, ask: Ask) -> None:
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


def test_list_runs_is_newest_first_with_what_people_know_runs_by(world: World, ask: Ask) -> None:
    assert ask("list_runs") == (200, {"runs": [], "next": None})
    ended = world.start("ended", 2, label="spring")
    world.finish(ended)
    world.clock.advance(seconds=1)
    refused = world.fire_trigger(world.upload_trigger("refused", b"not JSON"))
    world.clock.advance(seconds=1)
    still = world.start("open", 2)
    code, listed = ask("list_runs")
    assert code == 200
    assert [(run["run_id"], run["status"]) for run in listed["runs"]] == [
        (still, "scoring"),
        (refused, "refused"),
        (ended, "finished"),
    ]
    assert [listed["runs"][2][name] for name in ("name", "label", "scorer", "styles")] == [
        "ended",
        "spring",
        "copy",
        [],
    ]
    assert listed["runs"][0]["received_at"] > listed["runs"][2]["received_at"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "finished"}, ["first"]),
        ({"label": "spring"}, ["second", "first"]),
        ({"label": "spring", "limit": "1"}, ["second"]),
        ({"label": "autumn"}, []),
        ({"name": "IR"}, ["third", "first"]),
        ({"status": "finished,scoring", "name": "s"}, ["second", "first"]),
        ({"since": "2020-01-01", "limit": "2"}, ["third", "second"]),
        ({"since": "2090-01-01T00:00:00+02:00"}, []),
        ({"code": "the key"}, ["third", "second", "first"]),
    ],
)
def test_list_runs_takes_filters(world: World, query: dict[str, str], expected: list[str]) -> None:
    for name, label in (("first", "spring"), ("second", "spring"), ("third", None)):
        run_id = world.start(name, 2, **({"label": label} if label else {}))
        if name == "first":
            world.finish(run_id)
        world.clock.advance(seconds=1)
    rows = list_runs(world.app, parse_query(RunsQuery, query))
    assert [row["name"] for row in rows] == expected


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "x"},
        {"stat": "open"},
        {"status": "finished,open"},
        {"status": ""},
        {"since": "yesterday"},
        {"label": "a b"},
    ],
)
def test_invalid_filter_is_rejected(query: dict[str, str]) -> None:
    with pytest.raises(InputError, match=next(iter(query))):
        parse_query(RunsQuery, query)


def test_waiting_runs_are_listed_as_waiting(world: World) -> None:
    full = world.changed(max_open_runs=1)
    full.start("first", 2)
    waiting = full.start("second", 2)
    assert {row["run_id"]: row["status"] for row in list_runs(full.app)}[waiting] == "waiting"


def test_get_run_explains_refusal(world: World, ask: Ask) -> None:
    run_id = world.fire_trigger(world.upload_trigger("clip", b"not JSON"))
    code, shown = ask("get_run", run_id)
    assert (code, shown["status"]) == (200, "refused")
    assert "not JSON" in shown["reason"]
    assert shown["remedy"]


@pytest.mark.parametrize("function", ["get_run", "resubmit_run", "cancel_run"])
def test_unknown_run_is_404(ask: Ask, function: str) -> None:
    code, body = ask(function, UNKNOWN)
    assert code == 404
    assert "run" in body["detail"]
    assert "GET /api/runs" in body["remedy"]


@pytest.mark.parametrize("function", ["get_run", "resubmit_run", "cancel_run"])
@pytest.mark.parametrize("run_id", ["../../etc/passwd", "clip", "A-0123456789", UNKNOWN + "\n", "x" * 400, "größe"])
def test_invalid_run_id_is_400(ask: Ask, function: str, run_id: str) -> None:
    code, body = ask(function, run_id)
    assert code == 400
    assert body["detail"]
    assert body["remedy"]


def test_resubmit_is_202_with_run_id(world: World, ask: Ask) -> None:
    run_id = world.start("clip")
    world.deliver_messages()
    world.score(run_id, 0, 2)
    fail(world.storage, run_id, 1)
    world.deliver_messages()
    assert ask("get_run", run_id)[1]["failures"] == {"00001": "The frame 000002.jpg is damaged. Upload it again."}
    assert ask("resubmit_run", run_id) == (202, {"run_id": run_id})
    world.finish(run_id)
    code, answer = ask("resubmit_run", run_id, b"[0, 2]")
    assert code == 202
    assert ask("get_run", answer["run_id"])[1]["parent"] == run_id


@pytest.mark.parametrize("body", [b"everything", b"[9]", b'{"which": "some"}'])
def test_invalid_resubmit_body_is_400(world: World, ask: Ask, body: bytes) -> None:
    code, answer = ask("resubmit_run", world.start("clip"), body)
    assert code == 400
    assert answer["detail"]
    assert answer["remedy"]


def test_cancel_returns_status(world: World, ask: Ask) -> None:
    run_id = world.start("clip")
    code, shown = ask("cancel_run", run_id)
    assert (code, shown["status"]) == (200, "cancelled")
    assert ask("cancel_run", run_id) == (code, shown)


def answer(status_code: int) -> Any:
    """Return what an error of the SDK knows of an HTTP answer."""
    return SimpleNamespace(status_code=status_code, reason="", headers={})


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Make the handler of `cancel_run` raise an error."""

    def raise_error(*_: object) -> None:
        raise error

    monkeypatch.setattr(cancel_handler, "cancel", raise_error)


@pytest.mark.parametrize(
    ("error_class", "status_code"),
    [(InputError, 400), (MissingError, 404), (DamagedError, 409), (TemporaryError, 503)],
)
def test_user_and_temporary_errors_are_returned(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, error_class: type[ImpastoError], status_code: int
) -> None:
    error = error_class("Cause", "Remedy")
    fail_with(monkeypatch, error)
    code, problem = ask("cancel_run", UNKNOWN)
    assert (code, problem["status"], problem["type"]) == (status_code, status_code, "about:blank")
    assert (problem["detail"], problem["remedy"], problem["correlation_id"]) == ("Cause", "Remedy", None)
    assert (problem["code"], problem["next_step"]) == (error.code, error.next_step)


@pytest.mark.parametrize("error", [InternalError("secret", "R"), ValueError("secret")])
def test_internal_errors_are_500_without_details(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    fail_with(monkeypatch, error)
    status_code, body = ask("cancel_run", UNKNOWN)
    assert (status_code, body["correlation_id"], body["code"]) == (500, INVOCATION, "internal_error")
    assert "secret" not in json.dumps(body)
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert INVOCATION in record.getMessage()
    assert "secret" in str(record.exc_info)


@pytest.mark.parametrize(
    ("error", "next_step"),
    [
        (ServiceRequestError("secret"), NextStep.RETRY_LATER),
        (HttpResponseError("secret", response=answer(503)), NextStep.RETRY_LATER),
        (HttpResponseError("secret", response=answer(403)), NextStep.ASK_OPERATOR),
    ],
)
def test_storage_that_is_away_is_503_with_reason(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, error: AzureError, next_step: NextStep
) -> None:
    fail_with(monkeypatch, error)
    status_code, body = ask("cancel_run", UNKNOWN)
    assert (status_code, body["code"], body["next_step"]) == (503, ErrorCode.TEMPORARY_FAILURE, next_step)
    assert "Azure Storage" in body["detail"]
    assert body["remedy"]
    assert "secret" not in json.dumps(body)


def test_http_uses_the_clients_that_soon_give_up(
    world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch, cloud: InMemoryCloud
) -> None:
    empty = InMemoryCloud().world().app
    run_id = world.start("clip", 2)
    monkeypatch.setattr(function_app, "application", lambda: replace(empty, interactive=cloud.world().app))
    assert ask("get_run", run_id)[0] == 200


def test_interactive_clients_give_up_within_15_seconds() -> None:
    assert INTERACTIVE.longest_seconds < 15 < BACKGROUND.longest_seconds


def test_invalid_settings_are_500(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def application() -> App:
        raise InputError("The settings are invalid (NODE_IMAGE: Field required)", "Set them")

    monkeypatch.setattr(function_app, "application", application)
    status_code, body = ask("list_runs")
    assert (status_code, "NODE_IMAGE" in json.dumps(body)) == (500, False)


def test_blob_trigger_starts_run(world: World, ask: Ask) -> None:
    world.upload_frames("clip", 2)
    blob = world.upload_trigger("clip")

    class Stream:
        name = f"triggers/{blob}"

    host_call("start_run", Stream())
    assert world.status(ids.run_id_for(blob, world.storage.triggers.need(blob).etag)) == "scoring"


@pytest.mark.parametrize(
    "function", ["submit_batch", "finish_batch", "trigger_poisoned", "batch_poisoned", "finish_poisoned"]
)
def test_undecodable_message_is_stored(world: World, ask: Ask, function: str) -> None:
    host_call(function, func.QueueMessage(body=b"\xff\xfe\x00"))
    (stored,) = world.storage.logs.list("dead-letter/")
    assert b"\\xff\\xfe" in world.storage.logs.need(stored.name).data


def test_timer_sweeps(world: World, ask: Ask) -> None:
    run_id = world.start("clip", 2)
    world.score(run_id, message=False)
    host_call("sweep", None)
    assert world.status(run_id) == "finished"
