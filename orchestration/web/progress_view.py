"""What the page shows of an open run: frames, stages with their times, expected cost, and trouble."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.documents import parse_time
from orchestration.reporting.timeline import (
    STAGES,
    Stage,
    StageTime,
    moments_of,
    read_task_starts,
    stage_times,
)
from orchestration.reporting.watched_status import watched_status
from orchestration.state import RunState
from orchestration.web.text import (
    State,
    duration_text,
    frames_text,
    reason_text,
    state_of,
    tuning_text,
    usd_text,
)

LABELS: Final[Mapping[Stage, str]] = {
    "waiting": "Waiting for its turn",
    "checking": "Checking",
    "starting": "Waiting to start",
    "painting": "Painting",
    "joining": "Assembling",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stage of an open run: done, current, or next; and the time that it took, or has taken so far."""

    label: str
    state: str
    hint: str = ""
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an open run is."""

    frames_done: int
    frames: int | None
    rest: str
    steps: tuple[Step, ...]
    expected_usd: str
    trouble: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A part of the bar that shows where the time of a run went, on a scale of 480 units."""

    stage: Stage
    label: str
    time: str
    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class LiveProgress:
    """What the page draws again every two seconds: the progress of a run, None once it has ended, and its state."""

    run_id: str
    name: str
    state: State
    progress: Progress | None

    @property
    def document_title(self) -> str:
        """Return the title of the browser's tab."""
        return document_title(self.name, self.state, self.progress)


def document_title(name: str, state: State, progress: Progress | None) -> str:
    """Return the title of a run's tab: it carries the state."""
    if progress is not None and progress.frames:
        return f"{progress.frames_done * 100 // progress.frames} % · {name}"
    return f"{state.label} · {name}"


def read_live_progress(app: App, run_id: str) -> LiveProgress | None:
    """Return a run's progress from the status that all who watch it share; None if there is no such run.

    Beside the status it takes a listing, and up to FIRST_RECEIPTS reads for the times of the stages.
    """
    status = watched_status(app, run_id)
    if status is None:
        return None
    state, progress = state_of_status(status), None
    if state.is_open:
        times = _stage_times(
            app, run_id, received_at=status.get("received_at"), is_scored=status["status"] == "joining"
        )
        progress = progress_of(status, state, times, app.clock.now())
    return LiveProgress(run_id=run_id, name=str(status.get("name") or run_id), state=state, progress=progress)


def state_of_status(status: Mapping[str, Any]) -> State:
    """Return what the page calls the state of a run with this status."""
    progress = status.get("progress") or {}
    has_started = bool(progress.get("frames_done")) or not progress.get("reason")
    return state_of(str(status["status"]), has_started=has_started)


def read_stage_times(app: App, run: RunState | None, report: Mapping[str, Any]) -> tuple[StageTime, ...]:
    """Return the stages of a run: from the report of one that has ended, else from its blobs."""
    if run is None or run.outcome is not None:
        return tuple(StageTime.model_validate(stage) for stage in report.get("stages") or ())
    is_scored = run.plan is not None and not run.missing
    return _stage_times(app, run.run_id, received_at=run.request.received_at, is_scored=is_scored)


def _stage_times(app: App, run_id: str, *, received_at: str | None, is_scored: bool) -> tuple[StageTime, ...]:
    """Return the stages of an open run from its blobs in `runs`."""
    listed = {item.name: item for item in app.storage.runs.list(RunPaths(run_id).folder)}
    moments = moments_of(
        run_id,
        listed,
        received_at=received_at,
        ended_at=None,
        task_starts=read_task_starts(app.storage.runs, run_id, listed),
        is_scored=is_scored,
    )
    return stage_times(moments)


def progress_of(status: Mapping[str, Any], state: State, times: Sequence[StageTime], now: dt.datetime) -> Progress:
    """Return the progress of an open run from its status and its stages."""
    progress = status.get("progress") or {}
    frames, rate, left = progress.get("frames"), progress.get("frames_per_second"), progress.get("seconds_left")
    expected = (status.get("cost") or {}).get("expected") or {}
    rest = f"of {frames_text(frames)}" if frames else "frames read so far"
    current = current_stage(str(status["status"]), state)
    hint = reason_text(str(progress.get("reason") or ""))
    hint = f"{rate:.1f} frames a second" if current == "painting" and rate else hint
    if tuning := progress.get("tuning"):
        hint = tuning_text(tuning)
    return Progress(
        frames_done=progress.get("frames_done") or 0,
        frames=frames,
        rest=rest + (f" · {duration_text(left)} left" if left is not None else ""),
        steps=tuple(_steps(current, hint, {time.stage: time for time in times}, now)),
        expected_usd=usd_text((expected.get("usd") or {}).get("spot")),
        trouble=tuple(map(str, status.get("trouble") or ())),
    )


def current_stage(status: str, state: State) -> Stage:
    """Return the stage of an open run."""
    by_status: Mapping[str, Stage] = {
        "waiting": "waiting",
        "splitting": "checking",
        "planning": "checking",
        "joining": "joining",
    }
    return by_status.get(status, "painting" if state.key == "painting" else "starting")


def _steps(current: Stage, hint: str, times: Mapping[Stage, StageTime], now: dt.datetime) -> Iterator[Step]:
    position = STAGES.index(current)
    for index, stage in enumerate(STAGES):
        time = times.get(stage)
        if index < position:
            yield Step(label=LABELS[stage], state="done", time=duration_text(time.seconds) if time else "")
        elif index == position:
            yield Step(label=LABELS[stage], state="current", hint=hint, time=_so_far(time, now))
        else:
            yield Step(label=LABELS[stage], state="next")


def _so_far(time: StageTime | None, now: dt.datetime) -> str:
    """Return the time since the current stage began; empty if that is not known."""
    begun = parse_time(time.started_at) if time is not None and time.seconds is None else None
    return duration_text((now - begun).total_seconds()) if begun is not None else ""


def bars_of(times: Sequence[StageTime]) -> tuple[Bar, ...]:
    """Return where the time of a run that has ended went; a stage of no length has no bar."""
    total = sum(time.seconds or 0.0 for time in times)
    bars: list[Bar] = []
    begun = 0.0
    for time in times:
        seconds = time.seconds or 0.0
        width = 480 * seconds / total if total else 0.0
        label = LABELS[time.stage]
        bars.append(
            Bar(
                stage=time.stage, label=label, time=duration_text(seconds), start=round(begun, 1), width=round(width, 1)
            )
        )
        begun += width
    return tuple(bars)
