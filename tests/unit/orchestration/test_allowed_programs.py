"""The operator's allow-list of programs."""

import json
from typing import Any

import pytest

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.plan import PlannedProgram
from orchestration.allowed_programs import AllowedPrograms
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
    assert "ALLOWED_PROGRAMS" in world.outcome(run_id).remedy


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"file": "../x.py", "sha256": SHA, "kind": "script"},
        {"file": "x.py", "sha256": "0", "kind": "script"},
        {"file": "x.py", "sha256": SHA, "kind": "pickle"},
        {"file": "x.py", "sha256": SHA, "kind": "exported", "makes": "records"},
        {"file": "x.py", "sha256": SHA, "kind": "script", "command": "rm"},
    ],
)
def test_invalid_entry_is_rejected(entry: dict[str, str]) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(json.dumps({"x": entry}))
    environ = {"BATCH_ENDPOINT": "http://127.0.0.1:1", "NODE_IMAGE": "i", "ALLOWED_PROGRAMS": json.dumps({"x": entry})}
    with pytest.raises(InputError, match="ALLOWED_PROGRAMS"):
        Settings.from_environment(environ)


@pytest.mark.parametrize("text", ["[]", "{", '{"../x": {}}'])
def test_invalid_list_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="allowed programs"):
        AllowedPrograms.parse_input(text)
