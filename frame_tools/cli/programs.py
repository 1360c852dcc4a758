"""Other programs that commands start: the local cloud, the scorer's Python, and the Azure CLI.

They need a clone of the repository: neither the local cloud nor torch is a part of the installed package.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import typer

import frame_tools
from frame_tools.contracts.errors import InputError, MissingError

_KEY_SECONDS: Final = 60
_STOP_SECONDS: Final = 30
STATE_FOLDER: Final = "IMPASTO_STATE"
"""Setting that names another folder for the connection file."""


def connection_file(environ: Mapping[str, str]) -> Path:
    """Return the file in which the local cloud writes where it listens: in the user's folder for such files."""
    folder = environ.get(STATE_FOLDER) or typer.get_app_dir("impasto")
    return Path(folder) / "local-cloud.json"


def project_folder(part: str = "The local cloud") -> Path:
    """Return the clone of the repository: the one that this package runs from, else the one around the current folder.

    Raises MissingError if there is none; `part` is what was to be started.
    """
    own = Path(frame_tools.__file__).resolve().parents[1]
    for folder in (own, Path.cwd(), *Path.cwd().parents):
        if (folder / "local_cloud" / "__main__.py").is_file():
            return folder
    raise MissingError(
        f"{part} is not a part of the installed package",
        "Clone the repository, run `make setup` in it, and run this command there.",
    )


def check_local_system() -> None:
    """Raise InputError on Windows, where the local cloud does not run."""
    if sys.platform == "win32":
        raise InputError(
            "The local cloud does not run on Windows", "Use WSL 2 or the dev container; all other commands work here."
        )


def environment_python(project: Path, name: str) -> Path:
    """Return the Python of a virtual environment of the clone; raises MissingError if it is not set up."""
    for python in (project / name / "bin" / "python", project / name / "Scripts" / "python.exe"):
        if python.is_file():
            return python
    raise MissingError(f"The environment {project / name} does not exist", "Run `make setup` in the clone first.")


def run_scorer(arguments: Sequence[str], on_line: Callable[[str], None] = lambda _line: None) -> str:
    """Run `python -m scoring` in the scorer's environment of the clone; returns what it prints.

    `on_line` is called with each line as soon as it is printed. Its errors go to this terminal. Raises MissingError
    without a clone or its environment, typer.Exit if it fails.
    """
    project = project_folder("The scorer")
    argv = [str(environment_python(project, ".venv-scoring")), "-m", "scoring", *arguments]
    lines = []
    with subprocess.Popen(argv, cwd=project, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        for line in process.stdout or ():
            lines.append(line)
            on_line(line.rstrip("\n"))
    if process.returncode:
        raise typer.Exit(process.returncode)
    return "".join(lines)


def replace_process(project: Path, argv: Sequence[str]) -> None:
    """Become another program, which runs in `project`."""
    os.chdir(project)
    os.execv(argv[0], list(argv))  # noqa: S606 - an argument list, no shell


class StartedProgram:
    """A program that runs until it is stopped."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process, self._log = process, log

    @property
    def has_ended(self) -> bool:
        """Whether the program has ended by itself."""
        return self._process.poll() is not None

    def output(self) -> str:
        """Return what the program has printed, on one line."""
        return " ".join(self._log.read_text(errors="replace").split())

    def stop(self) -> None:
        """Stop the program by closing its standard input; kill it if that does not end it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_program(project: Path, argv: Sequence[str], *, log: Path) -> StartedProgram:
    """Start a program with its output in `log`, in a session of its own, so that Ctrl-C does not reach it.

    It sees the end of its standard input when this process closes the pipe or dies.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(argv),
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return StartedProgram(process, log)


def run_program(project: Path, argv: Sequence[str]) -> int:
    """Run a program in `project` on this terminal; returns its exit code."""
    return subprocess.run(list(argv), cwd=project, check=False).returncode


def function_key(values: Mapping[str, str]) -> str:
    """Return the app's function key, read with the Azure CLI from the app that an azd environment names.

    Returns an empty text without the Azure CLI or without access: the app then rejects the call with its own remedy.
    """
    azure_cli = shutil.which("az")
    group, app = values.get("AZURE_RESOURCE_GROUP"), values.get("AZURE_FUNCTION_APP_NAME")
    if not azure_cli or not group or not app:
        return ""
    query = ["functionapp", "keys", "list", "-g", group, "-n", app, "--query", "functionKeys.default", "-o", "tsv"]
    done = subprocess.run([azure_cli, *query], capture_output=True, text=True, check=False, timeout=_KEY_SECONDS)
    return done.stdout.strip() if done.returncode == 0 else ""
