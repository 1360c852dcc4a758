"""The option `tune`: replaces a run's paintings by styles that are tuned to them, once for all tasks and runs.

The task that holds the lease of a painting tunes, and the others wait for its result. If its node dies, the lease ends
within a minute, and one of those that wait begins anew. A lost lease does not stop a task: two may then tune the same
painting, and the first result counts for both. Styles are kept in `runs`, so later runs need no tuning.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from frame_tools.contracts.errors import DamagedError, InputError, TemporaryError
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.tuning import TUNED_SUFFIX, TUNING_STEPS, TuningPaths, TuningProgress
from frame_tools.storage.ports import BlobContainer
from scoring.tasks.base import Task, utc_now
from scoring.tasks.progress import RepeatedWrites
from scoring.types import StyleFile

_log = logging.getLogger(__name__)

POLL_SECONDS: Final = 3.0
MAX_POLLS: Final = 600
"""After half an hour a task no longer waits for another one's tuning: Batch tries it again later."""
MAX_DAMAGED: Final = 2
"""How often a damaged result is made again."""
MAX_STYLE_BYTES: Final = 2**22
Tune = Callable[[StyleFile, Callable[[int], object]], bytes]
"""Tunes a style to a painting and returns its file; calls the function with the number of each step."""


def tuned_styles(
    task: Task,
    plan: Plan,
    weights: Path,
    styles: Sequence[StyleFile],
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> tuple[StyleFile, ...]:
    """Return the style files of a run, with the option `tune` those that are tuned to its paintings.

    `styles` are those of the plan, in its order. Raises InputError for a painting that cannot be decoded, MissingError
    without the VGG16 weights, TemporaryError if another task tunes for too long.
    """
    if not plan.options.tune:
        return tuple(styles)
    from scoring.training.tuned_file import TunedFileMaker  # brings torch, which `copy` does not need

    tuner = Tuner(task.storage.runs, TunedFileMaker(weights), sleep=sleep)
    return tuple(
        tuner.tuned(style, TuningPaths.of(planned.sha256, plan.weights_sha256)) if planned.kind == "painting" else style
        for planned, style in zip(plan.styles, styles, strict=True)
    )


class Tuner:
    """Tunes styles to paintings, or waits for the task that does; `runs` is the container of the results."""

    def __init__(self, runs: BlobContainer, tune: Tune, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._runs, self._tune, self._sleep = runs, tune, sleep
        self._damaged = 0

    def tuned(self, painting: StyleFile, names: TuningPaths) -> StyleFile:
        """Return the style that is tuned to a painting. Every caller gets the same bytes."""
        for _ in range(MAX_POLLS):
            data = self._read(names)
            if data is not None:
                return StyleFile(f"{painting.name}{TUNED_SUFFIX}", data)
            if not self._make(painting, names):
                self._sleep(POLL_SECONDS)
        raise TemporaryError(
            f"Another task has been tuning to {painting.name} for half an hour", "Wait: Batch retries the task"
        )

    def _make(self, painting: StyleFile, names: TuningPaths) -> bool:
        """Tune and store the style unless it is there; returns False if another task does."""
        with self._runs.lease(names.lease) as lease:
            if lease is None:
                return False
            if not self._runs.exists(names.style):
                self._runs.create(names.style, self._tune_reporting(painting, names))
            return True

    def _read(self, names: TuningPaths) -> bytes | None:
        """Return the finished style, or None if there is none; a damaged one is deleted, so that it is made again."""
        from scoring.scorers.any_painting.tuned import load_style

        blob = self._runs.read(names.style, limit=MAX_STYLE_BYTES)
        if blob is None:
            return None
        try:
            load_style(blob.data, names.style)
        except InputError as error:
            self._damaged += 1
            if self._damaged > MAX_DAMAGED:
                raise DamagedError(f"{names.style} was damaged {MAX_DAMAGED} times", "Resubmit the run") from error
            _log.warning("A tuned style is damaged and is made again: %s", error)
            self._runs.delete(names.style, etag=blob.etag)
            return None
        return blob.data

    def _tune_reporting(self, painting: StyleFile, names: TuningPaths) -> bytes:
        """Tune, and write how far it is at intervals."""
        _log.info("Tuning the style to %s", painting.name)
        done = 0

        def report(step: int) -> None:
            nonlocal done
            done = step

        def write() -> None:
            progress = TuningProgress(step=done, steps=TUNING_STEPS, written_at=utc_now())
            self._runs.write(names.progress, progress.dumps())

        with RepeatedWrites(write):
            return self._tune(painting, report)
