"""Operations of the HTTP interface: runs from JSON, uploads, frames, batches and logs."""

import json
from typing import Any

import pytest

import function_app
from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.programs import LIST_BLOB
from orchestration.handlers.sweep import sweep
from tests.support.api_call import ApiCall, api_call
from tests.support.fake_node import fail
from tests.support.memory_world import InMemoryCloud
from tests.support.world import World, drain
from tests.unit.orchestration.reporting.test_progress import write_progress

UNKNOWN = "never-was-0123456789"
START: dict[str, Any] = {"name": "clip", "options": {"scorer": "copy", "frames_per_batch": 2}}


@pytest.fixture
def call(world: World, monkeypatch: pytest.MonkeyPatch) -> ApiCall:
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    return api_call


def test_posted_run_is_the_run_of_a_trigger_file(world: World, call: ApiCall) -> None:
    world.upload_frames("clip")
    status, started = call("POST", "/api/runs", START)
    assert (status, started["name"], started["created"]) == (202, "clip", True)
    posted = Request.load_stored(world.storage.runs.need(RunPaths(started["run_id"]).request).data)
    by_trigger = world.fire_trigger(world.upload_trigger("clip"))
    dropped = Request.load_stored(world.storage.runs.need(RunPaths(by_trigger).request).data)
    assert (posted.name, posted.folder, posted.trigger) == (dropped.name, dropped.folder, dropped.trigger)
    assert world.finish(started["run_id"]) == "finished"


def test_posting_again_is_the_same_run(world: World, call: ApiCall) -> None:
    world.upload_frames("clip")
    _, first = call("POST", "/api/runs", START)
    status, second = call("POST", "/api/runs", START)
    assert (status, second) == (202, {**first, "created": False})
    world.finish(first["run_id"])
    assert call("POST", "/api/runs", START)[1] == second
    other = {**START, "options": {**START["options"], "strength": 0.5}}
    assert call("POST", "/api/runs", other)[1]["run_id"] != first["run_id"]


def test_posted_run_whose_message_was_lost_is_admitted_by_the_sweep(world: World, call: ApiCall) -> None:
    world.upload_frames("clip")
    run_id = call("POST", "/api/runs", START)[1]["run_id"]
    drain(world.storage.finished_batches)
    sweep(world.app)
    assert world.status(run_id) == "scoring"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"name": "clip"}',
        b'{"name": "../clip", "options": {"scorer": "copy"}}',
        b'{"name": "clip", "options": {"scorer": "cop"}}',
        b'{"name": "clip", "options": {"scorer": "copy"}, "more": 1}',
        b'{"name": "clip", "options": {"scorer": "copy"}}' + b" " * 200_000,
    ],
)
def test_invalid_run_is_rejected_and_leaves_nothing(world: World, call: ApiCall, body: bytes) -> None:
    status, problem = call("POST", "/api/runs", body)
    assert (status, problem["code"], problem["next_step"]) == (400, "invalid_input", "fix_input")
    assert list(world.storage.runs.list("")) == []


UPLOAD = {"name": "clip", "files": [{"name": "clip.mp4", "size": 7}, {"name": "monet.jpg", "size": 1}]}


def test_upload_is_granted_blob_by_blob(call: ApiCall, monkeypatch: pytest.MonkeyPatch) -> None:
    world = InMemoryCloud().world(browser_uploads=True)
    monkeypatch.setattr(function_app, "application", lambda: world.app)
    status, grant = call("POST", "/api/uploads", UPLOAD)
    assert (status, grant["container"], grant["folder"]) == (201, "input", "clip")
    assert [file["blob"] for file in grant["files"]] == ["clip/clip.mp4", "clip/monet.jpg"]
    assert all(file["url"].endswith(f"/input/{file['blob']}?upload") for file in grant["files"])


def test_upload_is_off_by_default(call: ApiCall) -> None:
    status, problem = call("POST", "/api/uploads", UPLOAD)
    assert (status, problem["code"]) == (400, "invalid_input")
    assert "BROWSER_UPLOADS" in problem["remedy"]


@pytest.mark.parametrize(
    "change",
    [
        {"files": []},
        {"files": [{"name": "a.mp4", "size": 1}] * 2},
        {"files": [{"name": "a/b.mp4", "size": 1}]},
        {"files": [{"name": "a.mp4", "size": -1}]},
        {"files": [{"name": "a.mp4", "size": True}]},
        {"files": [{"name": "a.mp4", "size": 2**50}]},
        {"files": [{"name": f"{number}.jpg", "size": 1} for number in range(65)]},
        {"name": ".."},
    ],
)
def test_invalid_upload_is_rejected(call: ApiCall, change: dict[str, Any]) -> None:
    assert call("POST", "/api/uploads", {**UPLOAD, **change})[0] == 400


@pytest.mark.parametrize("what", ["frames", "batches", "logs?step=0"])
def test_unknown_run_is_404(call: ApiCall, what: str) -> None:
    assert call("GET", f"/api/runs/{UNKNOWN}/{what}")[0] == 404


@pytest.mark.parametrize("what", ["frames", "batches"])
def test_run_without_plan_has_empty_pages(world: World, call: ApiCall, what: str) -> None:
    waiting = world.changed(max_open_runs=1)
    waiting.start("first", 2)
    status, page = call("GET", f"/api/runs/{waiting.start('second', 2)}/{what}")
    assert (status, page) == (200, {what: [], "total": None, "next": None})


def pages_of(call: ApiCall, url: str, what: str) -> list[dict[str, Any]]:
    rows, after = [], ""
    while True:
        status, page = call("GET", f"{url}{after}")
        assert status == 200
        rows += page[what]
        if page["next"] is None:
            return rows
        after = f"&after={page['next']}"


def test_frames_have_a_picture_after_painting_once_there_is_one(world: World, call: ApiCall) -> None:
    run_id = world.start("clip", 6)
    world.deliver_messages()
    world.score(run_id, 0, message=False)
    world.storage.work.write(RunPaths(run_id).painted_frame("000004.jpg"), b"painted, of a batch that is not complete")
    frames = pages_of(call, f"/api/runs/{run_id}/frames?limit=4", "frames")
    assert [frame["index"] for frame in frames] == list(range(6))
    assert all(frame["before"].endswith(f"/input/clip/frames/{frame['name']}") for frame in frames)
    assert [frame["index"] for frame in frames if frame["after"] is not None] == [0, 1, 3]
    assert frames[0]["after"].endswith(f"/work/{run_id}/frames/000001.jpg")


def test_frames_can_be_spread_over_the_run(world: World, call: ApiCall) -> None:
    run_id = world.start("clip", 6)
    _, page = call("GET", f"/api/runs/{run_id}/frames?limit=3&spread=true")
    assert ([frame["index"] for frame in page["frames"]], page["total"], page["next"]) == ([1, 3, 5], 6, None)


def test_batches_have_state_task_and_reason(world: World, call: ApiCall) -> None:
    run_id = world.start("clip", 8)
    world.deliver_messages()
    world.score(run_id, 0, message=False)
    fail(world.storage, run_id, 1)
    write_progress(world, run_id, "00002", 1)
    rows = pages_of(call, f"/api/runs/{run_id}/batches?limit=3", "batches")
    assert [(row["batch"], row["start"], row["end"], row["state"], row["frames_done"]) for row in rows] == [
        (0, 0, 2, "done", 2),
        (1, 2, 4, "failed", 0),
        (2, 4, 6, "painting", 1),
        (3, 6, 8, "waiting", 0),
    ]
    assert (rows[0]["task_id"], rows[0]["device"]) == ("b00000", "cpu")
    assert (rows[1]["reason"], rows[1]["remedy"]) == ("The frame 000002.jpg is damaged", "Upload it again.")


@pytest.mark.parametrize("what", ["frames", "batches"])
@pytest.mark.parametrize("after", ["x", "-1", "1.5", "٣", "9" * 500, "%00", "1,2"])
def test_hostile_page_is_rejected(world: World, call: ApiCall, what: str, after: str) -> None:
    run_id = world.start("clip", 2)
    assert call("GET", f"/api/runs/{run_id}/{what}?after={after}")[0] == 400


@pytest.mark.parametrize("what", ["frames", "batches"])
def test_page_after_the_last_is_empty(world: World, call: ApiCall, what: str) -> None:
    run_id = world.start("clip", 2)
    status, page = call("GET", f"/api/runs/{run_id}/{what}?after=123456789")
    assert (status, page[what], page["next"]) == (200, [], None)


def log_of(call: ApiCall, run_id: str, query: str) -> dict[str, Any]:
    status, tail = call("GET", f"/api/runs/{run_id}/logs?{query}")
    assert status == 200
    return tail


def test_log_comes_from_the_node_while_the_task_runs(world: World, cloud: InMemoryCloud, call: ApiCall) -> None:
    run_id = world.start("clip", 2)
    world.deliver_messages()
    assert log_of(call, run_id, "step=0")["source"] == "none"
    cloud.jobs.files[ids.job_id(run_id, 0), "b00000", "stderr.txt"] = b"one\ntwo\nthree\n"
    tail = log_of(call, run_id, "step=0&tail=2")
    assert (tail["task_id"], tail["source"], tail["step"]) == ("b00000", "node", "00000")
    assert (tail["lines"], tail["truncated"]) == (["two", "three"], True)


def test_log_of_the_last_stored_attempt_is_returned(world: World, call: ApiCall) -> None:
    run_id = world.start("clip", 2)
    for task_id, text in (("b00000", "first"), ("b00000-2", "second"), ("b00001", "other")):
        world.storage.logs.write(f"{run_id}/{task_id}/stdout.txt", text.encode())
    tail = log_of(call, run_id, "step=00000&stream=stdout")
    assert (tail["task_id"], tail["source"], tail["lines"]) == ("b00000-2", "storage", ["second"])
    world.storage.logs.write(RunPaths(run_id).timing_log("b00000"), json.dumps({"image": 1}).encode())
    assert log_of(call, run_id, "step=0&stream=images")["lines"] == ['{"image": 1}']


def test_long_log_is_cut_at_a_line(world: World, call: ApiCall) -> None:
    run_id = world.start("clip", 2)
    lines = "".join(f"line {number:06d}\n" for number in range(50_000))
    world.storage.logs.write(f"{run_id}/b00000/stderr.txt", lines.encode())
    tail = log_of(call, run_id, "step=0&tail=1000")
    assert (len(tail["lines"]), tail["lines"][-1], tail["truncated"]) == (1000, "line 049999", True)


@pytest.mark.parametrize("query", ["", "step=x", "step=-1", "step=1&stream=wd", "step=1&tail=0", "step=1&tail=9999"])
def test_invalid_log_query_is_rejected(world: World, call: ApiCall, query: str) -> None:
    assert call("GET", f"/api/runs/{world.start('clip', 2)}/logs?{query}")[0] == 400


def test_programs_are_listed_with_how_they_are_called(world: World, call: ApiCall) -> None:
    assert call("GET", "/api/programs") == (200, {"source": "blob", "problem": None, "programs": []})
    entry = {"file": "sr.py", "sha256": "ab" * 32, "kind": "script", "files": {"w.bin": "cd" * 32}, "scale": 2}
    world.storage.scripts.write(LIST_BLOB, json.dumps({"sr": entry}).encode())
    _, answer = call("GET", "/api/programs")
    (listed,) = answer["programs"]
    assert (listed["name"], listed["scorer"], listed["files"], listed["scale"]) == ("sr", "script", ["w.bin"], 2)
    world.storage.scripts.write(LIST_BLOB, b"{")
    status, answer = call("GET", "/api/programs")
    assert (status, answer["programs"], LIST_BLOB in answer["problem"]) == (200, [], True)
