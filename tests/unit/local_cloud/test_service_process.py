"""A service is stopped in any case, also if the stop is requested while it is launched."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cloud.service_process import ServiceProcess

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def stop_within_popen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes, each of which was just started when SIGTERM arrived."""
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **options))
        signal.raise_signal(signal.SIGTERM)
        return started[-1]

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", popen)
    before = signal.signal(signal.SIGTERM, interrupt)
    yield started
    signal.signal(signal.SIGTERM, before)
    for process in started:
        process.kill()
        process.wait()


def service(tmp_path: Path) -> ServiceProcess:
    return ServiceProcess("service", SLEEP, cwd=tmp_path, env={}, log=tmp_path / "log", ready="never")


def test_a_stop_while_a_service_is_launched_leaves_no_process(
    tmp_path: Path, stop_within_popen: list[subprocess.Popen[bytes]]
) -> None:
    launched = service(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        launched.launch()
    launched.stop()
    (process,) = stop_within_popen
    assert process.poll() == -signal.SIGTERM


def test_other_threads_launch_services(tmp_path: Path) -> None:
    launched = service(tmp_path)
    thread = threading.Thread(target=launched.launch)
    thread.start()
    thread.join()
    assert launched.exit_code is None
    launched.kill()
    assert launched.exit_code == -signal.SIGKILL
