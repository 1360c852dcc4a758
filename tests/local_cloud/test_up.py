"""`make up`: starts everything or says in one line why not, and Ctrl-C stops what it started, and nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from local_cloud.accounts import Ports, app_settings, default_ports
from local_cloud.cloud import PROJECT

PATIENCE = 60


def free_offset() -> int:
    """Find an offset at which none of the usual ports is taken."""
    for offset in range(20_000, 40_000, 37):
        try:
            for port in vars(default_ports(offset)).values():
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return offset
    raise AssertionError("no free ports")


@contextmanager
def up(folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "local_cloud", "up", "--folder", str(folder), *more]
    with subprocess.Popen(
        argv, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def children_of(pid: int) -> set[int]:
    """Every living process whose parent, or parent's parent, is `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        found |= level
    return found


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_ctrl_c_stops_all_that_was_started(tmp_path: Path) -> None:
    offset = free_offset()
    ports = default_ports(offset)
    with up(tmp_path, "--offset", str(offset)) as process, socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        listed = requests.get(f"http://127.0.0.1:{ports.functions}/api/runs", timeout=30)
        assert listed.json() == {"runs": []}
        started = children_of(process.pid)
        assert len(started) >= 3
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        deadline = time.monotonic() + PATIENCE
        while left := [pid for pid in started if alive(pid)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert stranger.getsockname()[1]


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    offset = free_offset()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", default_ports(offset).queue))
        taken.listen()
        with up(tmp_path, "--offset", str(offset)) as process:
            said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
    assert f"Port {default_ports(offset).queue} (queue) is in use" in " ".join(said.split())
    assert "Traceback" not in said


def test_the_example_settings_hold_the_local_cloud_s() -> None:
    """The rest are the code's defaults: tests/infra/test_settings.py."""
    example = json.loads((PROJECT / "local.settings.json.example").read_text())
    assert app_settings(Ports()).items() <= example["Values"].items()
    assert example["Host"]["LocalHttpPort"] == Ports().functions
