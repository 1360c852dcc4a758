"""The rows of the list of runs."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.documents import parse_time
from orchestration.reporting import listing
from orchestration.reporting.status import run_status
from orchestration.web import pictures
from orchestration.web.text import (
    GROUPS,
    STATES,
    UNKNOWN,
    State,
    count_text,
    day_text,
    duration_text,
    elapsed,
    frames_text,
    reason_text,
    state_of,
    title_of,
    usd_text,
)

PAGE_ROWS: Final = 50
READ_THREADS: Final = 16


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
    download: str = ""
    """Link that stores the video or the records; empty for a run without."""

    @property
    def title(self) -> str:
        """Return what distinguishes this run from others of the same name, for screen readers."""
        after = f", after {', '.join(self.styles)}" if self.styles else ""
        return f"{self.name}{after}, {self.started}"


@dataclass(frozen=True, kw_only=True)
class RunList:
    """A part of the list: rows by day, and how many runs each filter selects."""

    days: tuple[tuple[str, tuple[Row, ...]], ...]
    counts: Mapping[str, int]
    group: str
    search: str
    start: int
    next_start: int | None
    """Where the next part begins; None after the last."""
    total: int

    @property
    def open_count(self) -> int:
        """Number of all runs that go on by themselves."""
        return self.counts["painting"] + self.counts["waiting"]

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The runs of this part that go on by themselves."""
        return tuple(row.run_id for _, rows in self.days for row in rows if row.state.is_open)


def list_rows(app: App, *, group: str = "all", search: str = "", start: int = 0) -> RunList:
    """Return a part of the list, newest first: the runs of a filter whose name, painting or label has the text."""
    listed = listing.list_runs(app, listing.ALL_RUNS)
    matching = [row for row in listed if _matches(row, search)]
    drawn = {row.run_id: row for row in read_rows(app, [row for row in matching if _is_admitted(row)])}
    groups = {row["run_id"]: _group(row, drawn) for row in matching}
    group, counts = group if group in GROUPS else "all", Counter(groups.values())
    selected = [row for row in matching if group in ("all", groups[row["run_id"]])]
    part = selected[start : start + PAGE_ROWS]
    drawn |= {row.run_id: row for row in read_rows(app, [row for row in part if row["run_id"] not in drawn])}
    rows = [drawn[row["run_id"]] for row in part]
    return RunList(
        days=tuple((day, tuple(each)) for day, each in groupby(rows, key=lambda row: row.day)),
        counts={name: counts[name] for name in GROUPS} | {"all": len(matching)},
        group=group,
        search=search,
        start=start,
        next_start=start + PAGE_ROWS if start + PAGE_ROWS < len(selected) else None,
        total=len(selected),
    )


def _is_admitted(listed: Mapping[str, Any]) -> bool:
    """Return whether only the run's tasks tell if it waits for a node or paints; MAX_OPEN_RUNS limits how many do."""
    return bool(listed["status"] == "scoring")


def _group(listed: Mapping[str, Any], drawn: Mapping[str, Row]) -> str:
    row = drawn.get(listed["run_id"])
    return row.state.group if row is not None else STATES.get(listed["status"], UNKNOWN).group


def _matches(row: Mapping[str, Any], search: str) -> bool:
    text = " ".join([str(row["name"] or ""), str(row["label"] or ""), row["run_id"], *map(title_of, row["styles"])])
    return search.strip().casefold() in text.casefold()


def read_rows(app: App, listed: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of listed runs, in their order; details are read in parallel."""
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="rows") as pool:
        return list(pool.map(lambda row: _row(app, row), listed))


def open_rows(app: App, run_ids: Iterable[str]) -> list[Row]:
    """Return the rows of runs that were open, as they are now; runs that do not exist are left out."""
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="rows") as pool:
        statuses = [status for status in pool.map(lambda run_id: run_status(app, run_id), run_ids) if status]
        return list(pool.map(lambda status: _row(app, _listed(status), status), statuses))


def _listed(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status in the form of a listed run."""
    options = status.get("options") or {}
    styles = [options["style"]] if isinstance(options.get("style"), str) else list(options.get("style") or ())
    fields = ("name", "reason", "received_at", "ended_at")
    return {
        "run_id": status["run_id"],
        "status": status["status"],
        "label": options.get("label"),
        "styles": styles,
        **{name: status.get(name) for name in fields},
    }


def _row(app: App, listed: Mapping[str, Any], status: Mapping[str, Any] | None = None) -> Row:
    """Return the row of a listed run; the status of an open run is read unless it is given."""
    now, run_id = app.clock.now(), str(listed["run_id"])
    received = parse_time(listed["received_at"] or listed["ended_at"])
    fields: dict[str, Any] = {
        "run_id": run_id,
        "name": str(listed["name"] or run_id),
        "day": day_text(received, now),
        "started": f"{received:%H:%M}" if received else "–",
        "styles": tuple(map(title_of, listed["styles"])),
        "label": listed["label"] or "",
    }
    if listed["ended_at"] is None and listed["status"] in STATES and STATES[listed["status"]].is_open:
        current = status or run_status(app, run_id) or {}
        return Row(**fields | _open_fields(app, listed, current, now))
    return Row(**fields | _ended_fields(app, listed))


def _open_fields(app: App, listed: Mapping[str, Any], status: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    progress = status.get("progress") or {}
    done, frames = progress.get("frames_done") or 0, progress.get("frames")
    state = state_of(status.get("status", ""), has_started=done > 0 or not progress.get("reason"))
    pairs = pictures.read_pairs(app, str(listed["run_id"]))
    return {
        "state": state,
        "detail": _open_detail(progress, state),
        "painted_in": duration_text(elapsed(listed["received_at"], now.isoformat())) if done else "–",
        "frames": frames if state.group == "painting" else None,
        "frames_done": done,
        "before": pairs[-1].before if pairs else "",
        "after": pairs[-1].after if pairs else "",
    }


def _open_detail(progress: Mapping[str, Any], state: State) -> str:
    if state.key != "painting":
        return reason_text(str(progress.get("reason") or ""))
    done, frames, left = progress.get("frames_done") or 0, progress.get("frames"), progress.get("seconds_left")
    return f"{done:,} of {count_text(frames)} frames" + (f" · {duration_text(left)} left" if left is not None else "")


def _ended_fields(app: App, listed: Mapping[str, Any]) -> dict[str, Any]:
    run_id = str(listed["run_id"])
    state = STATES.get(listed["status"], UNKNOWN)
    report = read_report(app, run_id)
    scored, planned = (report.get("scoring") or {}).get("frames"), (report.get("clip") or {}).get("frames")
    pair = pictures.thumbnails(app, run_id) if state.key == "finished" else {}
    usd = ((report.get("cost") or {}).get("usd") or {}).get("total")
    return {
        "state": state,
        "detail": _ended_detail(listed, state, scored=scored, planned=planned),
        "painted_in": duration_text(elapsed(listed["received_at"], listed["ended_at"])) if scored else "–",
        "cost": usd_text(usd),
        "frames": planned,
        "frames_done": scored,
        "before": pair.get("before", ""),
        "after": pair.get("after", ""),
        "download": _download(app, listed, str(report.get("video") or report.get("records") or "")),
    }


def _download(app: App, listed: Mapping[str, Any], product: str) -> str:
    suffix = product.rpartition(".")[2]
    return pictures.output_link(app, product, download=f"{listed['name']}.{suffix}") if product else ""


def _ended_detail(listed: Mapping[str, Any], state: State, *, scored: int | None, planned: int | None) -> str:
    if state.key == "finished":
        return frames_text(planned or scored or 0)
    if state.key == "cancelled" and planned:
        return f"Stopped at {count_text(scored or 0)} of {frames_text(planned)}"
    if state.key == "failed" and planned and scored is not None and scored < planned:
        return f"{count_text(planned - scored)} of {frames_text(planned)} are missing"
    return str(listed["reason"])


def read_report(app: App, run_id: str) -> dict[str, Any]:
    """Return the report of a run that has ended; empty if it is missing or damaged."""
    blob = app.storage.output.read(RunPaths(run_id).report)
    try:
        report = json.loads(blob.data) if blob else {}
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}
