"""The local cloud of a demo: started before the command line is imported, taken by the command, and then stopped."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from frame_tools.cli import temporary_cloud
from frame_tools.cli.temporary_cloud import early_cloud
from frame_tools.contracts.errors import MissingError, TemporaryError
from tests.architecture.modules import ROOT

PROJECT = Path("clone")


class Program:
    """A program that is started and stopped, and never listens."""

    has_ended = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stops = 0

    def output(self) -> str:
        return "the port is in use"

    def stop(self) -> None:
        assert self.folder.is_dir(), "its folder is removed afterwards"
        self.stops += 1


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Program]]:
    """The programs that were started, instead of local clouds."""
    started: list[Program] = []

    def start(project: Path, argv: Sequence[str], *, log: Path) -> Program:
        assert project == PROJECT
        assert argv[1:7] == ["-m", "local_cloud", "up", "--free-ports", "--stop-with-input", "--run-follows"]
        started.append(Program(log.parent))
        return started[-1]

    monkeypatch.setattr(temporary_cloud, "start_program", start)
    monkeypatch.setattr(temporary_cloud, "project_folder", lambda: PROJECT)
    monkeypatch.setattr(temporary_cloud, "environment_python", lambda _project, _name: Path("python"))
    before = signal.getsignal(signal.SIGTERM)
    yield started
    signal.signal(signal.SIGTERM, before)


def test_the_command_takes_the_cloud_that_was_started_early(programs: list[Program]) -> None:
    with early_cloud(["demo", "clip.mp4"]):
        (program,) = programs
        with temporary_cloud.temporary_cloud(PROJECT) as cloud:
            assert cloud.folder == program.folder
        assert program.stops == 0
    assert (len(programs), program.stops) == (1, 1)
    assert not program.folder.exists()


def test_a_command_that_fails_first_leaves_no_cloud(programs: list[Program]) -> None:
    with pytest.raises(SystemExit), early_cloud(["demo", "nowhere.mp4"]):
        raise SystemExit(2)
    (program,) = programs
    assert program.stops == 1
    assert not program.folder.exists()
    with temporary_cloud.temporary_cloud(PROJECT) as cloud:
        assert cloud.folder != program.folder, "the next one has a cloud of its own"


@pytest.mark.parametrize("arguments", [[], ["paint", "demo"], ["demo", "--help"], ["--version"]])
def test_other_commands_start_no_cloud(arguments: list[str], programs: list[Program]) -> None:
    with early_cloud(arguments):
        assert programs == []


def test_windows_and_an_installed_package_start_no_cloud(
    monkeypatch: pytest.MonkeyPatch, programs: list[Program]
) -> None:
    def missing() -> Path:
        raise MissingError("no clone", "clone it")

    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        with early_cloud(["demo"]):
            assert programs == []
    monkeypatch.setattr(temporary_cloud, "project_folder", missing)
    with early_cloud(["demo"]):
        assert programs == []


def test_without_an_early_start_the_command_starts_and_stops_it(programs: list[Program]) -> None:
    with temporary_cloud.temporary_cloud(PROJECT):
        assert programs[0].stops == 0
    assert programs[0].stops == 1


def test_a_termination_stops_the_cloud(programs: list[Program]) -> None:
    with pytest.raises(KeyboardInterrupt), early_cloud(["demo"]):
        signal.raise_signal(signal.SIGTERM)
    assert programs[0].stops == 1


def test_a_cloud_that_ends_by_itself_is_an_error(programs: list[Program]) -> None:
    with temporary_cloud.temporary_cloud(PROJECT) as cloud:
        programs[0].has_ended = True
        with pytest.raises(TemporaryError, match="the port is in use"):
            cloud.connect()


def test_the_module_imports_little() -> None:
    program = "import sys, frame_tools.cli.temporary_cloud; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"av", "azure.core", "pydantic", "requests"}.isdisjoint(answer.stdout.split())
