"""A supervised process of the local cloud: logs to a file, is ready at a log line, and ends as a process group."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.02


class ServiceFailedError(RuntimeError):
    """A service ended or did not become ready in time; the message holds the end of its log."""


class ServiceProcess:
    """A process that can be started, stopped, killed and started again."""

    def __init__(
        self, name: str, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, ready: str
    ) -> None:
        self.name = name
        self.log = log
        self._argv, self._cwd, self._env = list(argv), cwd, dict(env)
        self._ready = re.compile(ready)
        self._begin = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it is ready. Raises ServiceFailedError."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process; `wait_until_ready` follows."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as sink, _signals_held():
            self._begin = sink.tell()
            # A session of its own: Ctrl-C reaches only this program, which then stops the services in order.
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the process runs or before its first start."""
        return None if self._process is None else self._process.poll()

    def output(self) -> str:
        """Return the log output since the last start."""
        with self.log.open("rb") as source:
            source.seek(self._begin)
            return source.read().decode("utf-8", "replace")

    def wait_until_ready(self) -> None:
        """Wait for the log line that says that the launched process is ready. Raises ServiceFailedError."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._ready.search(self.output()):
                return
            if self.exit_code is not None:
                break
            time.sleep(_POLL_SECONDS)
        tail = self.output()[-2000:].strip()
        self.kill()
        raise ServiceFailedError(
            f"{self.name} did not start (exit code {self.exit_code}). {self.log} ends with:\n{tail}"
        )

    def stop(self) -> None:
        """Send SIGTERM and wait; kill the process if it does not end within 20 seconds."""
        if self._process is not None and self.exit_code is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it runs."""
        if self._process is not None and self.exit_code is None:
            self._process.send_signal(number)

    def children(self) -> list[int]:
        """Return the process ids of the running children."""
        if self._process is None or self.exit_code is not None:
            return []
        lists = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(pid) for file in lists for pid in file.read_text().split()]

    def kill(self) -> None:
        """Kill the process group at once (SIGKILL)."""
        if self._process is not None and self.exit_code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Handle stop signals at the end: one within Popen would leave a process that runs and that nobody knows."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    handlers = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received in held:
            signal.raise_signal(received)
