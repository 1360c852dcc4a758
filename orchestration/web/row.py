"""One row of the list of runs: drawn from the run's entry alone, or, while it has a slot, with its status."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frame_tools.contracts.answers import RunPicture, RunRow
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.documents import parse_time
from orchestration.web import pictures
from orchestration.web.text import (
    STATES,
    UNKNOWN,
    State,
    count_text,
    day_text,
    duration_text,
    elapsed,
    frames_text,
    queue_text,
    reason_text,
    state_of,
    title_of,
    tuning_text,
    usd_text,
)

Status = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run in the list."""

    run_id: str
    name: str
    state: State
    detail: str
    day: str
    started: str
    styles: tuple[str, ...] = ()
    label: str = ""
    painted_in: str = "–"
    cost: str = "–"
    frames: int | None = None
    frames_done: int | None = None
    before: str = ""
    after: str = ""
    style_picture: str = ""
    """Link to a small picture of the painting; empty until a task has written it."""
    download: str = ""
    """Link that stores the video or the records; empty for a run without."""

    @property
    def title(self) -> str:
        """Return what distinguishes this run from others of the same name, for screen readers."""
        after = f", after {', '.join(self.styles)}" if self.styles else ""
        return f"{self.name}{after}, {self.started}"

    @property
    def actions(self) -> str:
        """Return what the row's menu offers besides opening the run and copying its command, separated by spaces."""
        offered = {
            "again": not self.state.is_open and self.state.key != "refused",
            "redo": self.state.key in ("failed", "cancelled"),
            "download": bool(self.download),
            "cancel": self.state.is_open,
        }
        return " ".join(name for name, is_offered in offered.items() if is_offered)


def is_admitted(row: RunRow) -> bool:
    """Return whether only the run's own documents tell how far it is; MAX_OPEN_RUNS limits how many are admitted."""
    return row.status != "waiting" and STATES.get(row.status, UNKNOWN).is_open


def state_of_row(row: RunRow, status: Status | None) -> State:
    """Return the state of a listed run, whose status is given if it is admitted."""
    if status is None:
        return STATES.get(row.status, UNKNOWN)
    progress = status.get("progress") or {}
    return state_of(status["status"], has_started=bool(progress.get("frames_done")) or not progress.get("reason"))


def draw_row(app: App, row: RunRow, status: Status | None, *, ahead: int) -> Row:
    """Return the row of a listed run: of an admitted one with its status, of a waiting one with the runs ahead."""
    now, state = app.clock.now(), state_of_row(row, status)
    received = parse_time(row.received_at or row.ended_at)
    fields: dict[str, Any] = {
        "run_id": row.run_id,
        "name": row.name or row.run_id,
        "state": state,
        "day": day_text(received, now),
        "started": f"{received:%H:%M}" if received else "–",
        "styles": tuple(map(title_of, row.styles)),
        "label": row.label or "",
    }
    if status is not None:
        return Row(**fields | _admitted_fields(app, row, status, state, now))
    if state.is_open:
        return Row(**fields, detail=queue_text(ahead))
    return Row(**fields | _ended_fields(app, row, state))


def _admitted_fields(app: App, row: RunRow, status: Status, state: State, now: dt.datetime) -> dict[str, Any]:
    progress = status.get("progress") or {}
    done, frames = progress.get("frames_done") or 0, progress.get("frames")
    shown = pictures.read_pictures(app, row.run_id)
    last = shown.pairs[-1] if shown.pairs else None
    return {
        "detail": _progress_text(progress, state),
        "painted_in": duration_text(elapsed(row.received_at, now.isoformat())) if done else "–",
        "frames": frames if state.group == "painting" else None,
        "frames_done": done,
        "before": last.before if last else "",
        "after": last.after if last else "",
        "style_picture": shown.style,
    }


def _progress_text(progress: Mapping[str, Any], state: State) -> str:
    if state.key != "painting":
        return reason_text(str(progress.get("reason") or ""))
    if tuning := progress.get("tuning"):
        return tuning_text(tuning)
    done, frames, left = progress.get("frames_done") or 0, progress.get("frames"), progress.get("seconds_left")
    return f"{done:,} of {count_text(frames)} frames" + (f" · {duration_text(left)} left" if left is not None else "")


def _ended_fields(app: App, row: RunRow, state: State) -> dict[str, Any]:
    return {
        "detail": _end_text(row, state),
        "painted_in": duration_text(elapsed(row.received_at, row.ended_at)) if row.frames_done else "–",
        "cost": usd_text(row.cost_usd),
        "frames": row.frames,
        "frames_done": row.frames_done,
        "before": _picture(app, row, "before"),
        "after": _picture(app, row, "after"),
        "style_picture": _picture(app, row, "style"),
        "download": _download(app, row),
    }


def _picture(app: App, row: RunRow, name: RunPicture) -> str:
    return pictures.output_link(app, RunPaths(row.run_id).picture(name)) if name in (row.pictures or ()) else ""


def _download(app: App, row: RunRow) -> str:
    product = (row.video or row.records or "").removeprefix("output/")
    return pictures.output_link(app, product, download=f"{row.name}.{product.rpartition('.')[2]}") if product else ""


def _end_text(row: RunRow, state: State) -> str:
    planned, done = row.frames, row.frames_done or 0
    if state.key == "finished":
        return frames_text(planned or done)
    if state.key == "cancelled" and planned:
        return f"Stopped at {count_text(done)} of {frames_text(planned)}"
    if state.key == "failed" and planned and row.frames_done is not None and done < planned:
        return f"{count_text(planned - done)} of {frames_text(planned)} are missing"
    return row.reason
