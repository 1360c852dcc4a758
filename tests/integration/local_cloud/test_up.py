"""`make up`: starts everything or reports why it cannot; Ctrl-C stops what it started and nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from frame_tools.client.connection import find_connection
from local_cloud.accounts import Ports, app_settings, default_ports
from local_cloud.batch_service.launch import running_service
from local_cloud.cloud import PROJECT
from tests.support.waiting import until

PATIENCE = 60


def free_offset() -> int:
    """Find an offset at which all default ports are free."""
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
def up(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "local_cloud", "up", "--folder", str(folder), *options]
    argv += ["--connection", str(folder / "connection.json")]
    with subprocess.Popen(
        argv,
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def children_of(pid: int) -> set[int]:
    """Return all living descendants of `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    matches: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        matches |= level
    return matches


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_ctrl_c_stops_only_started_processes(tmp_path: Path) -> None:
    offset = free_offset()
    ports = default_ports(offset)
    bystander = running_service(data=tmp_path / "bystander", pools={}, images={})
    with bystander as bystander_url, up(tmp_path / "cloud", "--offset", str(offset)) as process:
        assert process.stdout is not None
        output = ""
        while "Ctrl-C" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        listed = requests.get(f"http://127.0.0.1:{ports.functions}/api/runs", timeout=30)
        assert listed.json()["runs"] == []
        connection = find_connection({}, local_file=tmp_path / "cloud" / "connection.json", folder=tmp_path)
        assert (connection.is_local, connection.api().runs()) == (True, [])
        started = children_of(process.pid)
        assert len(started) >= 3
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        until(lambda: not any(alive(pid) for pid in started), "all started processes have ended", seconds=PATIENCE)
        assert requests.get(f"{bystander_url}/local/faults", timeout=30).json() == {"value": []}
        assert not (tmp_path / "cloud" / "connection.json").exists()


def test_port_in_use_is_reported(tmp_path: Path) -> None:
    offset = free_offset()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", default_ports(offset).queue))
        taken.listen()
        with up(tmp_path, "--offset", str(offset)) as process:
            output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
    assert f"Port {default_ports(offset).queue} (queue) is in use" in " ".join(output.split())
    assert "Traceback" not in output


def test_end_of_input_stops_everything(tmp_path: Path) -> None:
    """A command that runs a local cloud of its own holds the pipe; it closes even if the command is killed."""
    with up(tmp_path, "--free-ports", "--stop-with-input") as process:
        assert process.stdin is not None
        until((tmp_path / "connection.json").is_file, "the local cloud is ready", seconds=PATIENCE)
        started = children_of(process.pid)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        until(lambda: not any(alive(pid) for pid in started), "all started processes have ended", seconds=PATIENCE)


def test_example_settings_match_local_cloud() -> None:
    """All other example values are the code's defaults: tests/infra/test_settings.py."""
    example = json.loads((PROJECT / "local.settings.json.example").read_text())
    assert app_settings(Ports()).items() <= example["Values"].items()
    assert example["Host"]["LocalHttpPort"] == Ports().functions
