"""The command line in tests: run it in this process, and check its exit code and its one-line errors."""

import os

import pytest
from typer.testing import CliRunner, Result

from frame_tools.cli.main import app
from frame_tools.contracts.errors import ExitCode
from frame_tools.storage.accounts import DATA, OPS

RUN = "clip-0123456789"


def run(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, [*map(str, arguments)])


def run_failing(code: ExitCode, *arguments: object) -> str:
    """Run a command that must fail with this code; returns its one-line error."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    return one_line(result.stderr, result.stdout)


def one_line(stderr: str, stdout: str) -> str:
    """Return the error if it is one complete line on stderr."""
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith((".\n", "!\n", "?\n"))
    return stderr.strip()


def clear_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of whoever runs the tests from the environment."""
    for name in [*os.environ]:
        if name.startswith((DATA, OPS, "IMPASTO")):
            monkeypatch.delenv(name)
