"""All commands: help with an example, usage errors, and errors that name the missing setting or the app's URL."""

import socket
import sys
from contextlib import nullcontext

import pytest

import frame_tools.__main__
import frame_tools.cli.main
import frame_tools.cli.temporary_cloud
from frame_tools.cli.main import app
from frame_tools.contracts.errors import ExitCode
from frame_tools.contracts.version import IMPASTO_VERSION
from tests.support.cli import RUN, run, run_failing

COMMANDS = (
    "paint", "preview", "estimate", "runs", "show", "watch", "cancel", "redo", "get", "open", "up", "demo", "doctor",
    "upload", "trigger", "split", "join", "sas",
)  # fmt: skip
OLD_NAMES = {"restyle": "paint", "resubmit": "redo", "download": "get"}
HIDDEN = (*OLD_NAMES, "make-containers")


@pytest.mark.parametrize("command", [*COMMANDS, *OLD_NAMES])
def test_help_shows_an_example(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == ExitCode.OK
    assert f"Example: impasto {OLD_NAMES.get(command, command)}" in " ".join(result.output.split())


def test_all_commands_are_covered() -> None:
    names = {command.name or command.callback.__name__: command.hidden for command in app.registered_commands}
    assert names == dict.fromkeys(COMMANDS, False) | dict.fromkeys(HIDDEN, True)


def test_version_is_printed() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (ExitCode.OK, f"impasto {IMPASTO_VERSION}\n")


def test_unknown_option_is_a_usage_error() -> None:
    result = run("split", "a.mp4", "b", "--quality", "9")
    assert result.exit_code == ExitCode.USAGE
    assert "--quality" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["trigger", "clip", "--scorer", "copy"], ["watch", RUN], ["download", RUN], ["sas"]]
)
def test_missing_setting_is_named(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "not a connection string"):
        if value:
            monkeypatch.setenv("DATA", value)
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (ExitCode.INPUT, "")
        assert "DATA" in result.stderr.splitlines()[-1]


def test_unreachable_app_is_a_temporary_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
    assert url in run_failing(ExitCode.TEMPORARY, "watch", RUN, "--api", url)


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize("command", ["watch", "download"])
def test_invalid_run_id_is_rejected(command: str) -> None:
    assert "../secrets" in run_failing(ExitCode.INPUT, command, "../secrets")


@pytest.mark.parametrize("interrupted", ["early_cloud", "main"])
def test_ctrl_c_at_the_start_or_the_end_shows_no_traceback(monkeypatch: pytest.MonkeyPatch, interrupted: str) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(frame_tools.__main__, "lasting_imports", nullcontext)
    monkeypatch.setattr(sys, "argv", ["impasto", "runs"])
    owner = frame_tools.cli.main if interrupted == "main" else frame_tools.cli.temporary_cloud
    monkeypatch.setattr(owner, interrupted, interrupt)
    with pytest.raises(SystemExit) as end:
        frame_tools.__main__.main()
    assert end.value.code == ExitCode.INTERRUPTED
