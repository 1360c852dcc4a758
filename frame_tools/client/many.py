"""Many paintings in one command: one upload per clip, runs in parallel, finished ones skipped, started ones resumed."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import AzureError

from frame_tools.client.connection import Connection
from frame_tools.client.journal import Journal, digest_of
from frame_tools.client.painting import Painting, summarize, with_cost
from frame_tools.client.polling import MAX_SILENCE_SECONDS
from frame_tools.client.prepared_input import PreparedInput, prepare_input
from frame_tools.client.progress import Display
from frame_tools.contracts.choices import TERMINAL_STATES
from frame_tools.contracts.errors import ImpastoError, InputError, MissingError, TemporaryError

VIDEO_SUFFIXES: Final = frozenset(
    f".{suffix}"
    for suffix in (
        *("3g2", "3gp", "asf", "avi", "dv", "f4v", "flv", "m2ts", "m2v", "m4v", "mkv", "mov", "mp4"),
        *("mpeg", "mpg", "mts", "mxf", "ogv", "rm", "rmvb", "ts", "vob", "webm", "wmv", "wtv"),
    )
)
EXPECTED_ERRORS: Final = (ImpastoError, AzureError, OSError)
"""Errors that end one painting and not the command."""
JOBS: Final = 4
"""Clips that are split and uploaded at the same time."""
POLL_THREADS: Final = 8
POLL_SECONDS: Final = 2.0
MAX_ROWS: Final = 12
"""Runs that are shown at once."""


def find_videos(sources: Sequence[Path]) -> list[Path]:
    """Return the videos: files as they are, and of a folder all files with the suffix of a video, in name order.

    Raises MissingError for a path that does not exist, InputError for a folder without videos.
    """
    videos: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = sorted(path for path in source.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
            if not inside:
                raise InputError(f"The folder {source} contains no videos", "Give a folder with video files.")
            videos += inside
        elif source.is_file():
            videos.append(source)
        else:
            raise MissingError(f"The video {source} does not exist", "Check the path of the video.")
    return list(dict.fromkeys(videos))


@dataclass(kw_only=True)
class Outcome:
    """How one of many paintings went; changed by the threads that work on it."""

    painting: Painting
    digest: str
    status: str = "waiting"
    run_id: str = ""
    reason: str = ""
    started: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The summary, once finished."""
    progress: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""
        return self.status in ("skipped", *TERMINAL_STATES)

    @property
    def succeeded(self) -> bool:
        """Whether the output exists."""
        return self.status in ("finished", "skipped")


class ManyPaintings:
    """Paints all of them; each output is written as soon as its run has finished."""

    def __init__(
        self,
        paintings: Sequence[Painting],
        connection: Connection,
        *,
        folder: Path,
        scratch: Path,
        display: Display,
        jobs: int = JOBS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection, self._scratch, self._display, self._jobs = connection, scratch, display, jobs
        self._api, self._storage, self._sleep = connection.api(), connection.storage(), sleep
        self._journal, self._lock = Journal(folder), threading.Lock()
        self._stop = threading.Event()
        self.outcomes = [Outcome(painting=painting, digest=digest_of(painting)) for painting in paintings]

    def open_runs(self) -> list[str]:
        """Return the ids of the runs that have been started and not ended."""
        return [each.run_id for each in self.outcomes if each.run_id and not each.has_ended]

    def run(self) -> list[Outcome]:
        """Paint until all have ended; returns the outcomes in the order of the paintings."""
        for outcome in self.outcomes:
            entry = self._journal.finished(outcome.painting, outcome.digest)
            if entry is not None:
                outcome.status, outcome.fields = "skipped", entry
        pending = [outcome for outcome in self.outcomes if not outcome.has_ended]
        groups = [list(group) for _, group in groupby(pending, key=lambda outcome: outcome.painting.video)]
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="start") as starters:
            try:
                futures = [starters.submit(self._start, group) for group in groups]
                self._follow()
                for future in futures:
                    future.result()
            finally:
                self._stop.set()
                starters.shutdown(wait=False, cancel_futures=True)
        return self.outcomes

    def _start(self, group: Sequence[Outcome]) -> None:
        """Split and upload a clip, and start the runs of its paintings; an error ends all of them."""
        try:
            new = [outcome for outcome in group if not self._resume(outcome)]
            if new and not self._stop.is_set():
                prepared = self._upload(new)
                for outcome in new:
                    run_id = prepared.completed(outcome.painting).start(self._storage)
                    outcome.started, outcome.run_id, outcome.status = time.monotonic(), run_id, "started"
                    self._record(outcome, "started", run_id=run_id)
        except EXPECTED_ERRORS as error:
            _fail(group, str(error))
        finally:  # without an outcome, `_follow` would wait forever
            _fail(group, "It was not started")

    def _resume(self, outcome: Outcome) -> bool:
        """Follow the run that an earlier command started for the same painting, if the app still knows it."""
        run_id = self._journal.started(outcome.painting, outcome.digest)
        status = self._api.status(run_id) if run_id else None
        if run_id is None or status is None or status["status"] in TERMINAL_STATES - {"finished"}:
            return False
        outcome.started, outcome.run_id, outcome.status = time.monotonic(), run_id, "started"
        return True

    def _upload(self, group: Sequence[Outcome]) -> PreparedInput:
        first = group[0].painting
        folder = self._scratch / first.folder
        extras = {name: path for outcome in group for name, path in outcome.painting.extras.items()}
        try:
            prepared = prepare_input(first, folder)
            for note in prepared.notes:
                self._display.print(f"{first.video.name}: {note}.")
            prepared.upload(self._storage, name=first.folder, extras=extras)
            return prepared
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _follow(self) -> None:
        """Poll the open runs until all paintings have ended, and show how far they are."""
        with ThreadPoolExecutor(POLL_THREADS, thread_name_prefix="poll") as pollers:
            while not all(outcome.has_ended for outcome in self.outcomes):
                list(pollers.map(self._poll, [each for each in self.outcomes if each.run_id and not each.has_ended]))
                self._show()
                self._sleep(POLL_SECONDS)
            self._show()

    def _poll(self, outcome: Outcome) -> None:
        try:
            status = self._api.status(outcome.run_id)
        except TemporaryError:
            return  # the app may be restarting; the next poll tells
        if status is None:
            if time.monotonic() - outcome.started > MAX_SILENCE_SECONDS:
                outcome.reason, outcome.status = "The app does not know the run", "failed"
            return
        outcome.progress = status.get("progress") or {}
        if status["status"] == "finished":
            self._finish(outcome, status)
        elif status["status"] in TERMINAL_STATES:
            outcome.reason = f"{status.get('reason', '')}. {status.get('remedy', '')}"
            outcome.status = status["status"]

    def _finish(self, outcome: Outcome, status: dict[str, Any]) -> None:
        status = with_cost(self._api, outcome.run_id, status, sleep=self._sleep)
        try:
            result = outcome.painting.write_result(self._storage, outcome.run_id, status)
        except EXPECTED_ERRORS as error:
            outcome.reason, outcome.status = str(error), "failed"
            return
        summary = summarize(outcome.run_id, result.out, status, seconds=time.monotonic() - outcome.started)
        outcome.fields = summary.fields()
        self._record(outcome, "finished", **outcome.fields)
        outcome.status = "finished"
        self._display.report("finished", summary.text, **outcome.fields)

    def _record(self, outcome: Outcome, status: str, **fields: Any) -> None:
        with self._lock:
            self._journal.record(outcome.painting, outcome.digest, status, **fields)

    def _show(self) -> None:
        """Show the runs that are being painted, one row each, and all together."""
        active = [each for each in self.outcomes if each.progress.get("frames") and not each.has_ended]
        self._display.rows(
            {
                each.painting.out.name: (each.progress["frames_done"], each.progress["frames"])
                for each in active[:MAX_ROWS]
            }
        )
        ended = [each for each in self.outcomes if each.has_ended]
        failed = sum(not each.succeeded for each in ended)
        note = ", ".join(text for text in (f"{len(active)} in work", f"{failed} failed" if failed else "") if text)
        self._display.show("paintings", len(ended), len(self.outcomes), note=note)


def _fail(group: Sequence[Outcome], reason: str) -> None:
    """End the paintings that have no run."""
    for outcome in group:
        if not outcome.run_id and not outcome.has_ended:
            outcome.reason, outcome.status = reason, "failed"


def worst_error(outcomes: Sequence[Outcome]) -> InputError | None:
    """Return the error of a command whose paintings went like this, None if all outputs exist."""
    failed = [outcome for outcome in outcomes if not outcome.succeeded]
    if not failed:
        return None
    first = failed[0]
    return InputError(
        f"{len(failed)} of {len(outcomes)} paintings failed, the first is {first.painting.out.name}: {first.reason}",
        "Remove the cause and repeat the command: it skips what is finished.",
    )
