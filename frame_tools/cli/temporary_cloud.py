"""The local cloud of `impasto demo`: on free ports, with its data in a temporary folder, until the command ends.

It can be started before the rest of the command line is imported: either takes a second, each on a core of its own.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from frame_tools.cli.programs import StartedProgram, environment_python, project_folder, start_program
from frame_tools.contracts.errors import MissingError, TemporaryError

if TYPE_CHECKING:
    from frame_tools.client.connection import Connection

COMMAND: Final = "demo"
START_SECONDS: Final = 180
MAX_OUTPUT: Final = 600
"""Characters of a failed start that are shown."""


@dataclass(frozen=True, kw_only=True)
class TemporaryCloud:
    """A local cloud that is starting or runs."""

    program: StartedProgram
    folder: Path
    """Removed with everything in it when the cloud is stopped."""

    def connect(self) -> "Connection":
        """Wait until the cloud has started; raises TemporaryError if it does not start."""
        from frame_tools.client.connection import local_cloud

        deadline = time.monotonic() + START_SECONDS
        while (connection := local_cloud(_connection_file(self.folder))) is None:
            if self.program.has_ended or time.monotonic() > deadline:
                raise TemporaryError(
                    f"The local cloud did not start: {self.program.output()[-MAX_OUTPUT:]}",
                    "Remove the cause and try again.",
                )
            time.sleep(0.05)
        return connection


_started: Final[list[TemporaryCloud]] = []
"""The cloud that was started early, until a command takes it."""


@contextmanager
def early_cloud(arguments: Sequence[str]) -> Iterator[None]:
    """Start a cloud if these arguments of the command line are likely to need one; stop it at the end, used or not."""
    with ExitStack() as stack:
        if arguments[:1] == [COMMAND] and "--help" not in arguments and sys.platform != "win32":
            with suppress(MissingError):  # the command says what is missing
                _started.append(stack.enter_context(_running_cloud(project_folder())))
            stack.callback(_started.clear)
        yield


@contextmanager
def temporary_cloud(project: Path) -> Iterator[TemporaryCloud]:
    """Yield the cloud that was started early; without one, start it and stop it at the end."""
    if _started:
        yield _started.pop()
        return
    with _running_cloud(project) as cloud:
        yield cloud


@contextmanager
def _running_cloud(project: Path) -> Iterator[TemporaryCloud]:
    argv = [str(environment_python(project, ".venv")), "-m", "local_cloud", "up", "--free-ports"]
    argv += ["--stop-with-input", "--run-follows"]
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="impasto-demo-") as scratch:
        folder = Path(scratch)
        argv += ["--folder", str(folder / "cloud"), "--connection", str(_connection_file(folder))]
        program = start_program(project, argv, log=folder / "up.log")
        try:
            yield TemporaryCloud(program=program, folder=folder)
        finally:
            program.stop()


def _connection_file(folder: Path) -> Path:
    return folder / "connection.json"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
