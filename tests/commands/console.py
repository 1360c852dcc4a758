"""The command line as a test calls it: in this process, with exit codes, and refusals as one line of words."""

from click.testing import Result
from typer.testing import CliRunner

from frame_tools.cli.main import app
from frame_tools.contracts.errors import ExitCode

RUN = "clip-0123456789"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def refused(code: ExitCode, *arguments: object) -> str:
    """Run what must fail with this code; returns the one line that it says."""
    answer = run(*arguments)
    assert answer.exit_code == code, answer.output
    return one_line(answer.stderr, answer.stdout)


def one_line(stderr: str, stdout: str) -> str:
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith((".\n", "!\n", "?\n"))
    return stderr.strip()
