"""The operator's allow-list of programs."""

import json
from typing import Any

import pytest

from frame_tools.contracts.errors import InputError, TemporaryError
from frame_tools.contracts.plan import PlannedProgram
from frame_tools.contracts.programs import LIST_BLOB, MAX_LIST_BYTES, AllowedPrograms
from orchestration.handlers.sweep import sweep
from orchestration.runs.advance import advance
from orchestration.settings import Settings
from tests.support.fake_node import read_plan
from tests.support.world import World

SHA = "ab" * 32
PROGRAMS = {
    "posterise": {"file": "posterise.py", "sha256": SHA, "kind": "script"},
    "count": {"file": "count.py", "sha256": SHA, "kind": "script", "makes": "records"},
    "cartoon": {"file": "cartoon.pt", "sha256": SHA, "kind": "torchscript"},
}


def test_program_is_planned_with_file_and_hash(world: World) -> None:
    world = world.changed(allowed_programs=json.dumps(PROGRAMS))
    world.upload_frames("clip")
    options: dict[str, Any] = {"scorer": "script", "program": "count", "arguments": {"a": 1}}
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", **options)))
    assert plan.program == PlannedProgram(name="count", file="count.py", sha256=SHA, kind="script")
    assert (plan.makes, plan.options.arguments, plan.weights_sha256) == ("records", {"a": 1}, None)
    options = {"scorer": "model", "program": "cartoon", "input": "clip"}
    model = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip2", **options)))
    assert model.program is not None
    assert (model.makes, model.program.kind) == ("pictures", "torchscript")


def test_empty_list_refuses_every_program(world: World) -> None:
    world.upload_frames("clip")
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="script", program="posterise"))
    assert world.status(run_id) == "refused"
    assert "impasto scorer allow" in world.outcome(run_id).remedy


def test_setting_without_the_program_names_the_setting(world: World) -> None:
    world = world.changed(allowed_programs=json.dumps({}))
    world.upload_frames("clip")
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="script", program="posterise"))
    assert "ALLOWED_PROGRAMS" in world.outcome(run_id).remedy


def test_list_is_read_for_each_run(world: World) -> None:
    world.upload_frames("clip")
    world.storage.scripts.write(LIST_BLOB, json.dumps(PROGRAMS).encode())
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="script", program="count"))
    assert read_plan(world.storage, run_id).program == PlannedProgram(
        name="count", file="count.py", sha256=SHA, kind="script"
    )
    world.storage.scripts.write(LIST_BLOB, json.dumps({"other": PROGRAMS["count"]}).encode())
    other = world.fire_trigger(world.upload_trigger("clip2", scorer="script", program="count", input="clip"))
    assert "'count' is not on this deployment's list" in str(world.outcome(other).reason)


def test_setting_takes_the_place_of_the_list(world: World) -> None:
    world = world.changed(allowed_programs=json.dumps({"posterise": PROGRAMS["posterise"]}))
    world.upload_frames("clip")
    world.storage.scripts.write(LIST_BLOB, json.dumps(PROGRAMS).encode())
    allowed = world.fire_trigger(world.upload_trigger("clip", scorer="script", program="posterise"))
    assert read_plan(world.storage, allowed).program is not None
    refused = world.fire_trigger(world.upload_trigger("clip2", scorer="script", program="count", input="clip"))
    assert world.status(refused) == "refused"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"{", "not JSON"),
        (b'{"x": {"file": "x.py"}}', "sha256"),
        (b"\xff\xfe", "allowed.json"),
        (b" " * (MAX_LIST_BYTES + 1), f"more than {MAX_LIST_BYTES} bytes"),
        (b"[" * MAX_LIST_BYTES, "allowed.json"),
    ],
)
def test_run_waits_while_the_list_is_damaged(world: World, data: bytes, cause: str) -> None:
    world.upload_frames("clip")
    world.storage.scripts.write(LIST_BLOB, data)
    trigger = world.upload_trigger("clip", scorer="script", program="count")
    with pytest.raises(TemporaryError, match=f"scripts/{LIST_BLOB}") as caught:
        world.fire_trigger(trigger)
    assert cause in caught.value.what
    (mark,) = world.storage.runs.list("open/")
    run_id = mark.name.removeprefix("open/")
    with pytest.raises(ExceptionGroup):
        sweep(world.app)
    (trouble,) = world.status_document(run_id)["trouble"]
    assert cause in trouble
    world.storage.scripts.write(LIST_BLOB, json.dumps(PROGRAMS).encode())
    advance(world.app, run_id)
    assert world.status(run_id) == "scoring"


def test_damaged_list_does_not_concern_runs_without_a_program(world: World) -> None:
    world.upload_frames("clip")
    world.storage.scripts.write(LIST_BLOB, b"{")
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="copy"))
    assert read_plan(world.storage, run_id).program is None


FULL = {
    "file": "big.py",
    "sha256": SHA,
    "kind": "script",
    "files": {"weights.safetensors": "cd" * 32},
    "scale": 2,
    "frames_per_call": 4,
}


def test_plan_records_how_the_program_is_called(world: World) -> None:
    world.upload_frames("clip")
    world.storage.scripts.write(LIST_BLOB, json.dumps({"big": FULL}).encode())
    plan = read_plan(world.storage, world.fire_trigger(world.upload_trigger("clip", scorer="script", program="big")))
    assert plan.program == PlannedProgram.model_validate({"name": "big", **FULL})
    assert plan.scale == 2


@pytest.mark.parametrize(("pixels", "status"), [(4 * 64 * 48, "scoring"), (4 * 64 * 48 - 1, "refused")])
def test_limit_of_pixels_is_that_of_the_enlarged_frames(world: World, pixels: int, status: str) -> None:
    world = world.changed(max_frame_pixels=pixels)
    world.upload_frames("clip", size=(64, 48))
    world.storage.scripts.write(LIST_BLOB, json.dumps({"big": FULL}).encode())
    run_id = world.fire_trigger(world.upload_trigger("clip", scorer="script", program="big"))
    assert world.status(run_id) == status
    if status == "refused":
        outcome = world.outcome(run_id)
        assert "128x96, 2 times 64x48" in str(outcome.reason)
        assert "MAX_FRAME_PIXELS" in str(outcome.remedy)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"file": "../x.py", "sha256": SHA, "kind": "script"},
        {"file": "x.py", "sha256": "0", "kind": "script"},
        {"file": "x.py", "sha256": SHA, "kind": "pickle"},
        {"file": "x.py", "sha256": SHA, "kind": "exported", "makes": "records"},
        {"file": "x.py", "sha256": SHA, "kind": "script", "command": "rm"},
        {"file": "x.py", "sha256": SHA, "kind": "script", "scale": 0},
        {"file": "x.py", "sha256": SHA, "kind": "script", "scale": 5},
        {"file": "x.py", "sha256": SHA, "kind": "script", "scale": 1.5},
        {"file": "x.py", "sha256": SHA, "kind": "script", "scale": 2, "makes": "records"},
        {"file": "x.py", "sha256": SHA, "kind": "script", "frames_per_call": 65},
        {"file": "x.py", "sha256": SHA, "kind": "script", "precision": "float16"},
        {"file": "x.py", "sha256": SHA, "kind": "exported", "precision": "float64"},
        {"file": "x.py", "sha256": SHA, "kind": "exported", "files": {"a": SHA}},
        {"file": "x.py", "sha256": SHA, "kind": "script", "files": {"../a": SHA}},
        {"file": "x.py", "sha256": SHA, "kind": "script", "files": {"a": "0"}},
        {"file": "x.py", "sha256": SHA, "kind": "script", "files": {f"a{n}": SHA for n in range(17)}},
    ],
)
def test_invalid_entry_is_rejected(entry: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(json.dumps({"x": entry}))
    environ = {"BATCH_ENDPOINT": "http://127.0.0.1:1", "NODE_IMAGE": "i", "ALLOWED_PROGRAMS": json.dumps({"x": entry})}
    with pytest.raises(InputError, match="ALLOWED_PROGRAMS"):
        Settings.from_environment(environ)


@pytest.mark.parametrize("text", ["[]", "{", '{"../x": {}}'])
def test_invalid_list_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(text)
