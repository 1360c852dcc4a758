"""How far a run is, frame by frame: from receipts, and from the progress that running tasks write."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.progress import StepProgress, TaskStage
from frame_tools.storage.ports import BlobContainer
from orchestration.documents import load_own, parse_time
from orchestration.reporting.tuning import Tuning
from orchestration.state import RunState

STALE: Final = dt.timedelta(minutes=2)
"""Age from which a task's progress no longer counts for the rate: the task has probably died."""
MAX_READ: Final = 100
"""Progress documents that one status reads; more tasks at once than that are counted by their receipts."""
WAITING_FOR_SLOT: Final = "Waiting for a slot: as many runs as MAX_OPEN_RUNS allows are open"
WAITING_FOR_NODE: Final = "Waiting for a node; a new one usually takes 5 to 10 minutes"
WAITING_LOCALLY: Final = "Waiting for the task to start"
STAGES: Final[Mapping[TaskStage, str]] = {
    "loading": "A task has started and loads its program",
    "measuring": "A task measures the style on sample frames",
}
"""What the first task of a run does before it has frames to count."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """What people see of a run's progress."""

    frames_done: int
    frames: int | None
    frames_per_second: float | None
    """Of all running tasks together; None until one has finished a frame."""
    seconds_left: float | None
    """Of the stage, at this rate."""
    reason: str
    """Why nothing moves, if nothing does."""
    tuning: Tuning | None = None
    """Of the run's paintings, before the first frame; None at any other time."""

    def document(self) -> dict[str, Any]:
        """Return the fields of the status document."""
        return {
            "frames_done": self.frames_done,
            "frames": self.frames,
            "frames_per_second": self.frames_per_second,
            "seconds_left": self.seconds_left,
            "reason": self.reason,
            "tuning": None if self.tuning is None else asdict(self.tuning),
        }


def read_steps(runs: BlobContainer, run_id: str, state: RunState) -> dict[str, StepProgress]:
    """Return the progress of the steps that are not complete, by step name; unreadable documents are left out."""
    complete = {ids.step_name(batch) for batch in state.receipts} | ({"split"} if state.split else set())
    prefix = RunPaths(run_id).progress
    names = sorted(name for name in state.stored if name.startswith(prefix))
    pending = [name for name in names if name.removeprefix(prefix).removesuffix(".json") not in complete]
    steps: dict[str, StepProgress] = {}
    for name in pending[:MAX_READ]:
        blob = runs.read(name, limit=StepProgress.max_bytes)
        try:
            progress = load_own(StepProgress, blob.data, run_id) if blob else None
        except (DamagedError, VersionSkewError):
            continue
        if progress is not None:
            steps[progress.step] = progress
    return steps


def run_progress(
    state: RunState,
    status: str,
    steps: Mapping[str, StepProgress],
    now: dt.datetime,
    *,
    is_local: bool,
    tuning: Tuning | None = None,
) -> RunProgress:
    """Return how far the run is; a local pool (`is_local`) has its nodes already."""
    plan = state.plan
    if plan is None:
        split = steps.get("split")
        return RunProgress(
            frames_done=split.frames if split else 0,
            frames=None,
            frames_per_second=_rate({"split": split} if split else {}, now),
            seconds_left=None,
            reason=_reason(status, has_started=bool(split), is_local=is_local),
        )
    batches = {step: progress for step, progress in steps.items() if step.isdecimal()}
    done = _frames_done(plan, state, batches)
    rate = _rate(batches, now)
    remaining = plan.frame_count - done
    return RunProgress(
        frames_done=done,
        frames=plan.frame_count,
        frames_per_second=rate,
        seconds_left=round(remaining / rate, 1) if rate and status == "scoring" else None,
        reason=_reason(status, has_started=bool(batches or tuning) or done > 0, is_local=is_local)
        or _stage_text(batches, is_moving=bool(tuning) or done > 0),
        tuning=tuning,
    )


def _frames_done(plan: Plan, state: RunState, batches: Mapping[str, StepProgress]) -> int:
    done = 0
    for batch in range(plan.batch_count):
        start, end = plan.span(batch)
        progress = batches.get(ids.step_name(batch))
        if batch in state.receipts:
            done += end - start
        elif progress is not None:
            done += min(progress.frames, end - start)
    return done


def _rate(steps: Mapping[str, StepProgress], now: dt.datetime) -> float | None:
    """Return the frames per second of all tasks that have written lately, None if there are none."""
    rates = [
        progress.frames / progress.seconds
        for progress in steps.values()
        if progress.frames
        and progress.seconds
        and (written := parse_time(progress.written_at)) is not None
        and now - written < STALE
    ]
    return round(sum(rates), 3) if rates else None


def _stage_text(steps: Mapping[str, StepProgress], *, is_moving: bool) -> str:
    """Return what the tasks are at if none has come to its frames, else an empty text."""
    stages = {progress.stage for progress in steps.values()}
    if is_moving or "working" in stages:
        return ""
    return next((text for stage, text in STAGES.items() if stage in stages), "")


def _reason(status: str, *, has_started: bool, is_local: bool) -> str:
    if status == "waiting":
        return WAITING_FOR_SLOT
    if status not in ("splitting", "scoring") or has_started:
        return ""
    return WAITING_LOCALLY if is_local else WAITING_FOR_NODE
