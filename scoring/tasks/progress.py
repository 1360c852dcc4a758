"""Progress of a running task, written from a thread of its own so that scoring never waits for storage."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from azure.core.exceptions import AzureError

from frame_tools.contracts.errors import ImpastoError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.progress import StepProgress, TaskStage
from scoring.tasks.base import Task, utc_now

_log = logging.getLogger(__name__)

FIRST_SECONDS: Final = 2.0
"""Shortest interval between two writes."""
LONGEST_SECONDS: Final = 15.0
SHARE: Final = 0.02
"""The interval grows with the task: 2 % of its time so far. An hour costs about 340 write operations."""


def write_interval(elapsed: float) -> float:
    """Return the seconds until the next write, `elapsed` seconds after the first."""
    return min(max(FIRST_SECONDS, SHARE * elapsed), LONGEST_SECONDS)


class RepeatedWrites:
    """Calls `write` at intervals while its block runs; what the storage refuses is logged and changes nothing else."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._write = write
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._write_repeatedly, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._due.set()
        self._thread.join()

    def write_now(self) -> None:
        """Write at once, without waiting for it."""
        self._due.set()

    def _write_repeatedly(self) -> None:
        while True:
            self._due.clear()
            try:
                self._write()
            except (AzureError, ImpastoError) as error:
                _log.warning("The progress could not be written: %s", error)
            self._due.wait(0 if self._stop.is_set() else write_interval(time.monotonic() - self._started))
            if self._stop.is_set():
                return


class ProgressWriter(RepeatedWrites):
    """Counts the finished frames of a task's current step and writes the count at intervals while its block runs.

    A lost write is harmless: an error of the storage is logged and never fails the task.
    """

    def __init__(self, task: Task, stage: TaskStage = "working") -> None:
        super().__init__(self._write_count)
        self._stage: TaskStage = stage
        self._task = task
        self._step_started = time.monotonic()
        self._step = task.step_name
        self._frames = 0
        self._lock = threading.Lock()

    def enter(self, stage: TaskStage) -> None:
        """Say what the task is at from now on; people see that at once."""
        with self._lock:
            self._stage, self._step_started = stage, time.monotonic()
        self.write_now()

    def begin(self, step: str) -> None:
        """Count the frames of another step from now on."""
        with self._lock:
            self._step, self._frames, self._step_started = step, 0, time.monotonic()

    def add_frame(self) -> None:
        """Count one finished frame."""
        with self._lock:
            self._frames += 1

    def set_frames(self, frames: int) -> None:
        """Set the number of finished frames."""
        with self._lock:
            self._frames = frames

    def _write_count(self) -> None:
        with self._lock:
            step, frames, started, stage = self._step, self._frames, self._step_started, self._stage
        progress = StepProgress(
            run_id=self._task.run_id,
            step=step,
            frames=frames,
            seconds=round(time.monotonic() - started, 3),
            stage=stage,
            task_id=self._task.task_id,
            written_at=utc_now(),
        )
        self._task.storage.runs.write(RunPaths(self._task.run_id).step_progress(step), progress.dumps())
