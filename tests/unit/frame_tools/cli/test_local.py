"""`demo` checks what it is given before it starts a local cloud; `up` becomes the local cloud of the clone."""

import sys
from pathlib import Path
from typing import Any

import pytest

import frame_tools
from frame_tools.cli import local, programs, temporary_cloud
from frame_tools.contracts.errors import ExitCode, MissingError
from tests.support.cli import run, run_failing
from tests.support.clips import Clip, make_clip


@pytest.fixture
def no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_arguments: Any, **_options: Any) -> None:
        pytest.fail("a local cloud was started")

    monkeypatch.setattr(temporary_cloud, "start_program", start)


@pytest.mark.usefixtures("no_cloud")
@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["nowhere.mp4", "-s", "clip.mp4"], ExitCode.MISSING, "nowhere"),
        (["clip.mp4", "-s", "nowhere.jpg"], ExitCode.MISSING, "nowhere.jpg"),
        ([".", "--scorer", "copy"], ExitCode.INPUT, "folder"),
        (["clip.mp4", "--scorer", "copy", "-o", "clip.gif"], ExitCode.INPUT, "clip.gif"),
        (["clip.mp4", "--scorer", "copy", "-o", "clip.mp4", "-y"], ExitCode.INPUT, "is the input"),
        (["clip.mp4", "--scorer", "copy", "--strength", "150%"], ExitCode.INPUT, "strength"),
        (["clip.mp4", "--scorer", "copy", "--strength", "much"], ExitCode.INPUT, "'much'"),
    ],
)
def test_demo_checks_everything_first(options: list[str], code: ExitCode, named: str) -> None:
    make_clip(Path("clip.mp4"), Clip(frames=2))
    assert named in run_failing(code, "demo", *options)


def test_unknown_option_is_rejected_with_the_closest() -> None:
    result = run("demo", "--strenght", "0.5")
    assert result.exit_code == ExitCode.USAGE
    assert "--strength" in result.stderr


def test_up_becomes_the_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(local, "replace_process", lambda project, argv: calls.append((project, list(argv))))
    assert run("up", "--offset", 500).exit_code == ExitCode.OK
    ((project, argv),) = calls
    assert (project / "local_cloud" / "cli.py").is_file()
    assert argv[1:] == ["-m", "local_cloud", "up", "--host", "local", "--offset", "500"]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_windows_is_told_where_the_local_cloud_runs(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert "WSL 2" in run_failing(ExitCode.INPUT, command)


def test_installed_package_has_no_local_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(frame_tools, "__file__", str(tmp_path / "site-packages" / "frame_tools" / "x.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingError, match="make setup"):
        programs.project_folder()


def test_environment_that_is_not_set_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"\.venv-scoring"):
        programs.environment_python(tmp_path, ".venv-scoring")


def test_key_is_empty_without_the_azure_cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {"AZURE_RESOURCE_GROUP": "rg", "AZURE_FUNCTION_APP_NAME": "app"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.function_key(values) == ""


def test_key_is_read_with_the_azure_cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "az"
    tool.write_text('#!/bin/sh\necho "$4 $6" | tr " " "-"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert programs.function_key({"AZURE_RESOURCE_GROUP": "rg", "AZURE_FUNCTION_APP_NAME": "app"}) == "-g--n"
    assert programs.function_key({"AZURE_RESOURCE_GROUP": "rg"}) == ""
