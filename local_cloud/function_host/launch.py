"""Starts `python -m local_cloud.function_host` as a separate process and stops it again, for tests."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"Host started on http://127\.0\.0\.1:(\d+)")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


class HostFailedError(RuntimeError):
    """The host ended or timed out before it was ready; the message holds its output."""


class HostProcess:
    """A running host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._port = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._port

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the host runs."""
        return self._process.poll()

    def output(self) -> str:
        """Return the output so far, stdout and stderr combined."""
        return "".join(self._lines)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Wait for the process to end and return its exit code. Raises subprocess.TimeoutExpired."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code

    def stop(self) -> int:
        """Send SIGTERM, wait and return the exit code; kill the process after 20 seconds."""
        self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill the process at once (SIGKILL), as a crash would, and return its exit code."""
        self._process.kill()
        return self.wait()

    def crash_worker(self) -> None:
        """Kill the host's worker processes, as running out of memory would."""
        self._process.send_signal(signal.SIGUSR1)

    def wait_until_ready(self) -> None:
        """Wait until the port answers. Raises HostFailedError."""
        if not self._ready.wait(_START_SECONDS) or not self._port:
            self.kill()
            raise HostFailedError(f"the host did not start (exit code {self.exit_code}):\n{self.output()}")

    def _read(self) -> None:
        stream = self._process.stdout
        for line in stream or ():
            self._lines.append(line)
            if not self._port and (match := _READY.search(line)):
                self._port = int(match[1])
                self._ready.set()
        self._ready.set()  # the process has ended
        if stream is not None:
            stream.close()


@contextmanager
def running_host(
    app_dir: Path,
    *,
    env: Mapping[str, str],
    port: int | None = None,
    duplicate_seed: int | None = None,
    enable_auth: bool = False,
    strict: bool = True,
) -> Iterator[HostProcess]:
    """Run a host for the app in `app_dir`; yield it when it is ready and stop it at the end.

    `env` overrides this process's environment; `port` None selects a free port. Raises HostFailedError.
    """
    host = HostProcess(
        start_host(app_dir, env=env, port=port, duplicate_seed=duplicate_seed, enable_auth=enable_auth, strict=strict)
    )
    try:
        host.wait_until_ready()
        yield host
    finally:
        if host.exit_code is None:
            host.stop()


def start_host(
    app_dir: Path,
    *,
    env: Mapping[str, str],
    port: int | None = None,
    duplicate_seed: int | None = None,
    enable_auth: bool = False,
    strict: bool = True,
) -> subprocess.Popen[str]:
    """Start the process without waiting."""
    command = [sys.executable, "-m", "local_cloud.function_host", "host", "start", "--verbose"]
    command += ["--port", str(port or 0)]
    command += [] if duplicate_seed is None else ["--duplicate-deliveries", str(duplicate_seed)]
    command += ["--enableAuth"] if enable_auth else []
    command += ["--strict"] if strict else []
    return subprocess.Popen(
        command,
        cwd=app_dir,
        env={**environ, "PYTHONPATH": str(_PROJECT), "PYTHONUNBUFFERED": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
