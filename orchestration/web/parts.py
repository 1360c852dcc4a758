"""The parts of screens, with data: what htmx fetches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.errors import InputError, MissingError
from orchestration.app import App
from orchestration.reporting.watched_status import watched_status
from orchestration.web import rows
from orchestration.web.batch_strip import BATCH_LABELS, read_strip
from orchestration.web.batch_view import read_batch
from orchestration.web.estimate import estimate
from orchestration.web.frame_view import frame_json
from orchestration.web.health import read_health
from orchestration.web.pictures import read_pictures
from orchestration.web.preview_view import offer, read_preview
from orchestration.web.progress_view import read_live_progress
from orchestration.web.render import render
from orchestration.web.run_view import RunView, read_command, read_run

Query = Mapping[str, Sequence[str]]
MAX_OPEN_ROWS: Final = 100
"""Rows that one request draws again."""


@dataclass(frozen=True)
class Answer:
    """HTML and the headers that htmx reads; JSON for our own JavaScript."""

    html: str
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "text/html"

    @property
    def status_code(self) -> int:
        """204 for an answer without HTML, so that htmx leaves what it shows in place."""
        return 200 if self.html else 204


def part(app: App, name: str, run_id: str, query: Query) -> Answer:
    """Return a part by its name; `run_id` is the id of a run or of a preview, or empty.

    Raises MissingError if there is no such part, run or preview, InputError for a bad value.
    """
    if name in _LIST_PARTS and not run_id:
        return _LIST_PARTS[name](app, query)
    if name == "preview" and run_id:
        return _preview(app, run_id, query)
    if name in _RUN_PARTS and run_id:
        return _RUN_PARTS[name](app, ids.check_run_id(run_id), query)
    raise MissingError(f"There is no part {name[:40]!r}", "Load the page again.")


def _runs(app: App, query: Query) -> Answer:
    return Answer(render("part_runs", list=_selected_runs(app, query)))


def _more_runs(app: App, query: Query) -> Answer:
    older = {name: values for name, values in query.items() if name != "shown"}
    return Answer(render("part_more", list=_selected_runs(app, older)))


def _selected_runs(app: App, query: Query) -> rows.RunList:
    count = max(rows.PAGE_ROWS, min(_number(query, "shown"), rows.MAX_ROWS))
    start = _number(query, "start")
    return rows.list_rows(app, group=first(query, "group"), search=first(query, "q"), start=start, count=count)


def _number(query: Query, name: str) -> int:
    """Return a parameter that is a count, 0 without one; raises InputError for anything else."""
    text = first(query, name) or "0"
    if not (text.isdecimal() and len(text) <= 6):
        raise InputError(f"{name} is a number, not {text[:20]!r}", "Load the page again.")
    return int(text)


def _open_runs(app: App, query: Query) -> Answer:
    """Return the rows that were open; if one of them has ended, the list is fetched again."""
    run_ids = [ids.check_run_id(run_id) for run_id in query.get("run", ())[:MAX_OPEN_ROWS]]
    drawn = rows.open_rows(app, run_ids)
    has_ended = len(drawn) < len(run_ids) or any(not row.state.is_open for row in drawn)
    return Answer(render("part_open", rows=drawn), {"HX-Trigger": "runs-changed"} if has_ended else {})


def _run(app: App, run_id: str, query: Query) -> Answer:
    del query
    run = _need_run(app, run_id)
    return Answer(render("part_run", run=run, strip=run.strip, batch_labels=BATCH_LABELS))


def _progress(app: App, run_id: str, query: Query) -> Answer:
    """Return how far a run is; the screen is fetched again once the state differs from the one that it shows."""
    run = read_live_progress(app, run_id)
    if run is None:
        raise _no_run(run_id)
    if run.progress is None or run.state.key != first(query, "shown"):
        return Answer("", {"HX-Trigger": "run-changed"})
    return Answer(render("part_progress", run=run))


def _batches(app: App, run_id: str, query: Query) -> Answer:
    del query
    strip = read_strip(app, run_id)
    if strip is None:
        raise _no_run(run_id)
    return Answer(render("part_batches", strip=strip, batch_labels=BATCH_LABELS))


def _batch(app: App, run_id: str, query: Query) -> Answer:
    return Answer(render("part_batch", batch=read_batch(app, run_id, first(query, "step"))))


def _frame(app: App, run_id: str, query: Query) -> Answer:
    return Answer(frame_json(app, run_id, _number(query, "number")), media_type="application/json")


def _pictures(app: App, run_id: str, query: Query) -> Answer:
    """Return the pairs of an open run once there are more than the page shows; its status and a listing say that."""
    status = watched_status(app, run_id)
    if status is None:
        raise _no_run(run_id)
    if len(read_pictures(app, run_id, status.get("parent")).pairs) <= _number(query, "have"):
        return Answer("")
    return Answer(render("part_pictures", run=_need_run(app, run_id)))


def _command(app: App, run_id: str, query: Query) -> Answer:
    """Return the command that repeats a run, as text."""
    del query
    text = read_command(app, run_id)
    if text is None:
        raise MissingError(f"The request of {run_id} cannot be read", "Open the run, which says why.")
    return Answer(text, media_type="text/plain")


def _health(app: App, query: Query) -> Answer:
    del query
    return Answer(render("part_health", health=read_health(app)))


def _estimate(app: App, query: Query) -> Answer:
    return Answer(render("part_estimate", estimate=estimate(app, query)))


def _offer(app: App, query: Query) -> Answer:
    return Answer(render("part_offer", offer=offer(app, query)))


def _preview(app: App, preview_id: str, query: Query) -> Answer:
    del query
    return Answer(render("part_preview", preview=read_preview(app, preview_id)))


def _need_run(app: App, run_id: str) -> RunView:
    run = read_run(app, run_id)
    if run is None:
        raise _no_run(run_id)
    return run


def _no_run(run_id: str) -> MissingError:
    return MissingError(f"There is no run {run_id}", "The list of runs has all of them.")


def first(query: Query, name: str) -> str:
    """Return the first value of a field, or an empty string."""
    return (query.get(name) or ("",))[0]


_LIST_PARTS: Final[Mapping[str, Callable[[App, Query], Answer]]] = {
    "runs": _runs,
    "more": _more_runs,
    "open": _open_runs,
    "health": _health,
    "estimate": _estimate,
    "offer": _offer,
}
_RUN_PARTS: Final[Mapping[str, Callable[[App, str, Query], Answer]]] = {
    "run": _run,
    "progress": _progress,
    "batches": _batches,
    "batch": _batch,
    "command": _command,
    "frame": _frame,
    "pictures": _pictures,
}
