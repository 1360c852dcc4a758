"""How far the tuning of a run's paintings is, from what the tasks that tune have written: for this run or another."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.tuning import TUNING_STEPS, TuningPaths, TuningProgress
from frame_tools.storage.ports import BlobContainer
from orchestration.documents import parse_time
from orchestration.state import RunState

STALE: Final = dt.timedelta(minutes=2)
"""Age from which progress no longer counts: the task has probably died."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Steps that are done, and all steps, of all paintings of a run."""

    steps_done: int
    steps: int


def read_tuning(runs: BlobContainer, state: RunState, now: dt.datetime) -> Tuning | None:
    """Return how far the run's tuning is; None if it has none, or if no task is at it."""
    plan = state.plan
    if plan is None or not plan.options.tune or RunPaths(state.run_id).prepared in state.stored:
        return None
    names = [TuningPaths.of(style.sha256, plan.weights_sha256) for style in plan.styles if style.kind == "painting"]
    running = dict(_running(runs, names, now))
    if not running:
        return None
    done = sum(running[each] if each in running else TUNING_STEPS * runs.exists(each.style) for each in names)
    return Tuning(steps_done=done, steps=TUNING_STEPS * len(names))


def _running(runs: BlobContainer, names: list[TuningPaths], now: dt.datetime) -> Iterator[tuple[TuningPaths, int]]:
    """Yield the paintings that are being tuned, each with the number of steps that are done."""
    for each in names:
        blob = runs.read(each.progress, limit=TuningProgress.max_bytes)
        try:
            progress = TuningProgress.load_stored(blob.data) if blob else None
        except (DamagedError, VersionSkewError):
            continue
        written = parse_time(progress.written_at) if progress else None
        if progress is not None and written is not None and now - written < STALE and not runs.exists(each.style):
            yield each, round(TUNING_STEPS * min(1.0, progress.step / progress.steps))
