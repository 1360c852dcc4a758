"""Which task processes run, on disk: so that the next life of a killed service ends what the last one left behind.

A process is known by its id *and* its start time, so an id that was given to another program is never killed.
Where ``/proc`` exists, every process is ended too whose environment names the task's folder: grandchildren whose
parent is gone, and a process that was started in the instant before its entry was written.
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
    """Entries of running task processes, one file each below ``folder``, named after the attempt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def register(self, attempt: str, task_directory: Path) -> None:
        """Write down that a process is about to start in this folder."""
        self._write(attempt, {"task_directory": str(task_directory)})

    def record(self, attempt: str, task_directory: Path, pid: int) -> None:
        """Write down the process that leads the attempt's process group."""
        entry = {"task_directory": str(task_directory), "pid": pid, "started": start_time(pid)}
        self._write(attempt, entry)

    def forget(self, attempt: str) -> None:
        """Strike the entry: its processes have ended."""
        self._file(attempt).unlink(missing_ok=True)

    def kill_orphans(self) -> int:
        """Kill what is still running from an earlier life; return the number of entries there were."""
        entries = sorted(self._folder.glob("*.json"))
        for file in entries:
            entry = json.loads(file.read_text(encoding="utf-8"))
            pid, started = entry.get("pid"), entry.get("started")
            if pid is not None and started is not None and start_time(pid) == started:
                _log.warning("ending process group %d, left over in %s", pid, entry["task_directory"])
                kill_group(pid, signal.SIGKILL)
            _kill_by_marker(entry["task_directory"])
            file.unlink()
        return len(entries)

    def _file(self, attempt: str) -> Path:
        return self._folder / f"{attempt}.json"

    def _write(self, attempt: str, entry: dict[str, object]) -> None:
        write_atomically(self._file(attempt), json.dumps(entry))


def start_time(pid: int) -> str | None:
    """Return when a process started, as the system says it (proc(5), stat field 22; else ps(1)); None: gone."""
    if _PROC.is_dir():
        try:
            fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return fields[19]
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def kill_group(pid: int, signal_number: int) -> None:
    """Send a signal to a process group; that it has ended already is no error."""
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
            continue  # it ended meanwhile, or it is another user's and so not ours
