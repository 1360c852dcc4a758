"""A registry of running task processes on disk, so that a restarted service kills those of a crashed one.

A process is identified by its id *and* start time, so a reused id is never killed. Where `/proc` exists, every process
whose environment names the task's directory is killed too: orphaned grandchildren, and processes that were started just
before their entry was written.
"""

import json
import logging
import os
import signal
import subprocess
from pathlib import Path

from local_cloud.batch_service.state.store import write_atomically

_log = logging.getLogger(__name__)
_PROC = Path("/proc")


class ProcessRegistry:
    """Entries of running task processes: one file per attempt below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def register(self, attempt: str, task_directory: Path) -> None:
        """Record that a process is about to start in this directory."""
        self._write(attempt, {"task_directory": str(task_directory)})

    def record(self, attempt: str, task_directory: Path, pid: int) -> None:
        """Record the process that leads the attempt's process group."""
        entry = {"task_directory": str(task_directory), "pid": pid, "started": start_time(pid)}
        self._write(attempt, entry)

    def forget(self, attempt: str) -> None:
        """Remove the entry after its processes have ended."""
        self._file(attempt).unlink(missing_ok=True)

    def kill_orphans(self) -> int:
        """Kill the processes of an earlier service process; return the number of entries."""
        entries = sorted(self._folder.glob("*.json"))
        for file in entries:
            entry = json.loads(file.read_text(encoding="utf-8"))
            pid, started = entry.get("pid"), entry.get("started")
            if pid is not None and started is not None and start_time(pid) == started:
                _log.warning("killing process group %d, left over in %s", pid, entry["task_directory"])
                kill_group(pid, signal.SIGKILL)
            _kill_by_marker(entry["task_directory"])
            file.unlink()
        return len(entries)

    def _file(self, attempt: str) -> Path:
        return self._folder / f"{attempt}.json"

    def _write(self, attempt: str, entry: dict[str, object]) -> None:
        write_atomically(self._file(attempt), json.dumps(entry))


def start_time(pid: int) -> str | None:
    """Return a process's start time as reported by proc(5), stat field 22, else ps(1); None if it is gone."""
    if _PROC.is_dir():
        try:
            fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return fields[19]
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def kill_group(pid: int, signal_number: int) -> None:
    """Send a signal to a process group; ignore that it may have ended already."""
    try:
        os.killpg(pid, signal_number)
    except ProcessLookupError:
        return


def _kill_by_marker(task_directory: str) -> None:
    marker = f"AZ_BATCH_TASK_DIR={task_directory}".encode()
    for folder in _PROC.glob("[0-9]*"):
        try:
            marked = marker in (folder / "environ").read_bytes().split(b"\0")
            if marked:
                os.kill(int(folder.name), signal.SIGKILL)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue  # the process has ended, or it belongs to another user
