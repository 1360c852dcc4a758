"""How commands show progress: bars on a terminal, plain lines in a log, JSON lines for programs, or nothing."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import IO, Any, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

LINE_SECONDS: Final = 10
"""Seconds between two lines about one stage, where no bars can be shown."""


class Display(Protocol):
    """What a command reports while it works."""

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "",
        rate: float | None = None,
        seconds_left: float | None = None,
        note: str = "",
    ) -> None:
        """Show how far a stage is; `total` is None while it is unknown, `rate` is in units per second."""

    def rows(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Show exactly these parallel runs, by name: frames that are done, and all frames."""

    def print(self, message: str) -> None:
        """Print a message, such as a note about the input."""

    def report(self, event: str, message: str, **fields: Any) -> None:
        """Report an event: people read `message`, programs read `event` and `fields`."""


class Mode(StrEnum):
    """How progress is shown; auto is bars on a terminal and plain lines elsewhere."""

    AUTO = "auto"
    JSON = "json"
    QUIET = "quiet"


def clock_text(seconds: float) -> str:
    """Return m:ss, or h:mm:ss from one hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _details(unit: str, rate: float | None, seconds_left: float | None, note: str) -> str:
    parts = [f"{rate:.1f} {unit}/s" if rate else "", f"{clock_text(seconds_left)} left" if seconds_left else "", note]
    return "  ".join(part for part in parts if part)


class TerminalDisplay:
    """One bar for each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._rows: dict[str, TaskID] = {}

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "",
        rate: float | None = None,
        seconds_left: float | None = None,
        note: str = "",
    ) -> None:
        """Update the stage's bar."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, details="", clock="", count="")
            self._started[stage] = time.monotonic()
        elapsed = clock_text(time.monotonic() - self._started[stage])
        self._progress.update(
            self._tasks[stage],
            completed=done,
            total=total,
            count=f"{done}/{total}" if total else (str(done) if done else ""),
            clock=elapsed,
            details=_details(unit, rate, seconds_left, note),
        )

    def rows(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Show one bar for each run, and remove those of other runs."""
        for name in [name for name in self._rows if name not in rows]:
            self._progress.remove_task(self._rows.pop(name))
        for name, (done, total) in rows.items():
            if name not in self._rows:
                self._rows[name] = self._progress.add_task(name, details="", clock="", count="")
            self._progress.update(self._rows[name], completed=done, total=total, count=f"{done}/{total}")

    def print(self, message: str) -> None:
        """Print a message above the bars, on a terminal or not."""
        self._progress.console.print(message, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def report(self, event: str, message: str, **fields: Any) -> None:
        """Print the message."""
        self.print(message)


class PlainDisplay:
    """A line whenever ten seconds have passed without one, and one at the end of a stage that had such a line."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._last = clock()
        self._shown: set[str] = set()
        self._complete: set[str] = set()

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "",
        rate: float | None = None,
        seconds_left: float | None = None,
        note: str = "",
    ) -> None:
        """Print a line if the last one, of any stage, is ten seconds old, or if a stage that had one is complete."""
        now, is_complete = self._clock(), total is not None and done >= total
        is_due = now - self._last >= LINE_SECONDS
        if not is_complete:
            self._complete.discard(stage)
        if stage in self._complete or not (is_due or (is_complete and stage in self._shown)):
            return
        self._last = now
        self._shown.add(stage)
        if is_complete:
            self._complete.add(stage)
        count = f"{done}/{total}" if total is not None else str(done) if done else "…"
        text = "  ".join(part for part in (f"{stage} {count}", _details(unit, rate, seconds_left, note)) if part)
        self._write(f"{text}\n")

    def rows(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Show nothing: a log would get a line for each run."""

    def print(self, message: str) -> None:
        """Print the message."""
        self._last = self._clock()
        self._write(f"{message}\n")

    def report(self, event: str, message: str, **fields: Any) -> None:
        """Print the message."""
        self.print(message)


class JsonDisplay:
    """One JSON object a line for everything, on standard output."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._last: dict[str, tuple[tuple[int, str], float]] = {}

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        *,
        unit: str = "",
        rate: float | None = None,
        seconds_left: float | None = None,
        note: str = "",
    ) -> None:
        """Write a progress object if the amount or the note has changed, at most once a second until the end."""
        before, at = self._last.get(stage, ((-1, ""), float("-inf")))
        is_complete = total is not None and done >= total
        if (done, note) == before or (not is_complete and self._clock() - at < 1):
            return
        self._last[stage] = ((done, note), self._clock())
        fields = {"unit": unit or None, "per_second": rate, "seconds_left": seconds_left, "note": note or None}
        present = {name: value for name, value in fields.items() if value is not None}
        self._line({"event": "progress", "stage": stage, "done": done, "total": total, **present})

    def rows(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Show nothing: a log would get a line for each run."""

    def print(self, message: str) -> None:
        """Write a message object."""
        self._line({"event": "message", "text": message})

    def report(self, event: str, message: str, **fields: Any) -> None:
        """Write the event with its fields."""
        self._line({"event": event, **fields})

    def _line(self, document: dict[str, Any]) -> None:
        self._write(json.dumps(document, ensure_ascii=False) + "\n")


class QuietDisplay:
    """Shows nothing; errors are still printed."""

    def show(self, stage: str, done: int, total: int | None, **figures: Any) -> None:
        """Do nothing."""

    def rows(self, rows: Mapping[str, tuple[int, int]]) -> None:
        """Show nothing: a log would get a line for each run."""

    def print(self, message: str) -> None:
        """Do nothing."""

    def report(self, event: str, message: str, **fields: Any) -> None:
        """Do nothing."""


def _flushing(stream: IO[str]) -> Callable[[str], None]:
    """Return a function that writes to a stream at once, so that logs and pipes see each line when it is due."""

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


@contextmanager
def progress_display(console: Console, mode: Mode = Mode.AUTO) -> Iterator[Display]:
    """Yield the display for `mode`: bars and lines go to `console`, JSON to standard output."""
    if mode is Mode.QUIET:
        yield QuietDisplay()
    elif mode is Mode.JSON:
        yield JsonDisplay(_flushing(sys.stdout))
    elif not console.is_terminal:
        yield PlainDisplay(_flushing(console.file))
    else:
        columns = (
            TextColumn("{task.description:>16}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[clock]}", markup=False),
            TextColumn("{task.fields[details]}", markup=False),
        )
        with Progress(*columns, console=console) as progress:
            yield TerminalDisplay(progress)
