"""`scorer allow`, `list` and `remove`: the operator's list, and the setting that replaces it."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from frame_tools.cli import scorer_list
from frame_tools.client.programs import read_programs
from frame_tools.contracts.errors import ExitCode, TemporaryError
from frame_tools.contracts.programs import file_blob
from frame_tools.storage.in_memory import BlobStore, InMemoryContainer
from tests.support.cli import run, run_failing

SCRIPT = (
    b"class It:\n    def score(self, frames, positions):\n        return frames\ndef load(context):\n    return It()\n"
)


@dataclass
class FakeCloud:
    """A connection with a container of programs and an app that answers."""

    source: str = "blob"
    problem: str | None = None
    answers: bool = True
    container: InMemoryContainer = field(default_factory=lambda: InMemoryContainer("scripts", BlobStore()))

    def scripts(self) -> InMemoryContainer:
        return self.container

    def api(self) -> "FakeCloud":
        return self

    def programs(self) -> dict[str, Any]:
        if not self.answers:
            raise TemporaryError("The app does not respond", "Check it.")
        rows = [
            {"name": name, "scorer": "script" if each.kind == "script" else "model", **each.model_dump()}
            for name, each in read_programs(self.container).root.items()
        ]
        return {"source": self.source, "problem": self.problem, "programs": rows}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr(scorer_list, "connect", lambda _api, _key: fake)
    Path("seg.py").write_bytes(SCRIPT)
    Path("w.safetensors").write_bytes(b"weights")
    Path("net.pt2").write_bytes(b"a network")
    return fake


def test_allow_uploads_and_lists(cloud: FakeCloud) -> None:
    result = run("scorer", "allow", "seg.py", "--files", "w.safetensors", "--scale", "2", "--frames-per-call", "4")
    assert result.exit_code == ExitCode.OK, result.output
    entry = read_programs(cloud.container).root["seg"]
    weights = hashlib.sha256(b"weights").hexdigest()
    assert (entry.kind, entry.makes, entry.scale, entry.frames_per_call) == ("script", "pictures", 2, 4)
    assert entry.files == {"w.safetensors": weights}
    assert entry.sha256 == hashlib.sha256(SCRIPT).hexdigest()
    assert cloud.container.contents[entry.file] == SCRIPT
    assert cloud.container.contents[file_blob(weights)] == b"weights"
    assert "impasto paint VIDEO --scorer script --program seg" in result.stdout


def test_allow_again_uploads_nothing(cloud: FakeCloud) -> None:
    run("scorer", "allow", "seg.py")
    before = cloud.container.contents
    result = run("scorer", "allow", "seg.py")
    assert "there already" in result.stdout
    assert cloud.container.contents == before


def test_model_and_name_and_precision(cloud: FakeCloud) -> None:
    assert run("scorer", "allow", "net.pt2", "--name", "sea", "--precision", "float16").exit_code == ExitCode.OK
    entry = read_programs(cloud.container).root["sea"]
    assert (entry.kind, entry.precision, entry.file.startswith("sea-")) == ("exported", "float16", True)
    Path("net.pt2").rename("net.bin")
    assert run("scorer", "allow", "net.bin", "--kind", "model").exit_code == ExitCode.OK
    assert read_programs(cloud.container).root["net"].kind == "torchscript"


def test_script_that_describes_makes_records(cloud: FakeCloud) -> None:
    Path("rec.py").write_bytes(SCRIPT.replace(b"score", b"describe"))
    assert run("scorer", "allow", "rec.py").exit_code == ExitCode.OK
    assert run("scorer", "allow", "seg.py", "--makes", "records").exit_code == ExitCode.OK
    assert [each.makes for each in read_programs(cloud.container).root.values()] == ["records", "records"]


def test_allow_prints_the_entry_for_a_deployment_with_the_setting(cloud: FakeCloud) -> None:
    cloud.source = "setting"
    result = run("scorer", "allow", "seg.py")
    assert result.exit_code == ExitCode.INPUT
    assert "ALLOWED_PROGRAMS" in result.stderr
    printed = json.loads(result.stdout)
    assert list(printed) == ["seg"]
    assert printed["seg"]["file"] in cloud.container.contents
    assert read_programs(cloud.container).root == {}, "the list would have no effect"


def test_allow_without_an_answer_of_the_app_says_so(cloud: FakeCloud) -> None:
    cloud.answers = False
    result = run("scorer", "allow", "seg.py")
    assert result.exit_code == ExitCode.OK
    assert "ALLOWED_PROGRAMS" in result.stderr
    assert "seg" in read_programs(cloud.container).root


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (["nowhere.py"], ExitCode.MISSING, "nowhere.py"),
        (["seg.py", "--files", "gone.bin"], ExitCode.MISSING, "gone.bin"),
        (["w.safetensors"], ExitCode.INPUT, "w.safetensors"),
        (["seg.py", "--makes", "records", "--scale", "2"], ExitCode.INPUT, "scale"),
        (["seg.py", "--precision", "float16"], ExitCode.INPUT, "precision"),
        (["net.pt2", "--files", "w.safetensors"], ExitCode.INPUT, "files"),
        (["seg.py", "--name", "../x"], ExitCode.INPUT, "x"),
    ],
)
def test_errors_come_before_any_upload(cloud: FakeCloud, arguments: list[str], code: ExitCode, named: str) -> None:
    assert named in run_failing(code, "scorer", "allow", *arguments)
    assert cloud.container.contents == {}


def test_list_and_remove(cloud: FakeCloud) -> None:
    assert "No programs" in run("scorer", "list").stdout
    run("scorer", "allow", "seg.py", "--files", "w.safetensors")
    listed = run("scorer", "list").stdout
    assert all(word in listed for word in ("seg", "script", "pictures", "w.safetensors"))
    assert json.loads(run("scorer", "list", "--json").stdout)["name"] == "seg"
    assert run("scorer", "remove", "seg").exit_code == ExitCode.OK
    assert read_programs(cloud.container).root == {}
    assert "seg" in run_failing(ExitCode.MISSING, "scorer", "remove", "seg")
    assert len(cloud.container.contents) == 3, "open runs may need the files"


def test_list_names_what_is_wrong(cloud: FakeCloud) -> None:
    cloud.problem = "Invalid list of allowed programs scripts/allowed.json: not JSON"
    assert "allowed.json" in run_failing(ExitCode.INPUT, "scorer", "list")
