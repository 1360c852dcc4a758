"""The rows of the list of runs. Only runs that have a slot are read; all others come from the list's entries."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from frame_tools.contracts.answers import RunRow
from frame_tools.contracts.paths import RunPaths
from orchestration.app import App
from orchestration.reporting import listing
from orchestration.reporting.run_index import read_row, renewed_row
from orchestration.reporting.watched_status import watched_status
from orchestration.web.row import Row, Status, draw_row, is_admitted, state_of_row
from orchestration.web.text import GROUPS, STATES, UNKNOWN, title_of

PAGE_ROWS: Final = 50
MAX_ROWS: Final = 1000
"""Rows that one request draws: as many as one listing has."""
READ_THREADS: Final = 16


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
    is_cut: bool
    """Whether there are older runs, which are not listed."""

    @property
    def open_count(self) -> int:
        """Number of all runs that go on by themselves."""
        return self.counts["painting"] + self.counts["waiting"]

    @property
    def open_ids(self) -> tuple[str, ...]:
        """The runs of this part that go on by themselves."""
        return tuple(row.run_id for _, rows in self.days for row in rows if row.state.is_open)


def list_rows(app: App, *, group: str = "all", search: str = "", start: int = 0, count: int = PAGE_ROWS) -> RunList:
    """Return `count` rows, newest first: the runs of a filter whose name, painting or label has the text.

    Costs two listings, and for each admitted run a status; MAX_OPEN_RUNS limits their number. If one is shown, the
    pictures that its tasks have written are listed, too.
    """
    page = listing.list_page(app, listing.ALL_RUNS)
    matching = [row for row in page.runs if _matches(row, search)]
    statuses = _read_statuses(app, [row.run_id for row in matching if is_admitted(row)])
    groups = {row.run_id: state_of_row(row, statuses.get(row.run_id)).group for row in matching}
    group, counts = group if group in GROUPS else "all", Counter(groups.values())
    selected = [row for row in matching if group in ("all", groups[row.run_id])]
    rows = _draw(app, selected[start : start + count], statuses, page.runs)
    return RunList(
        days=tuple((day, tuple(each)) for day, each in groupby(rows, key=lambda row: row.day)),
        counts={name: counts[name] for name in GROUPS} | {"all": len(matching)},
        group=group,
        search=search,
        start=start,
        next_start=start + count if start + count < len(selected) else None,
        total=len(selected),
        is_cut=page.next is not None,
    )


def open_rows(app: App, run_ids: Iterable[str]) -> list[Row]:
    """Return the rows of runs that were open, as they are now; runs that do not exist are left out.

    Costs two listings, and for each admitted run a status and a listing of its pictures.
    """
    listed = listing.list_page(app, listing.ALL_RUNS).runs
    by_id = {row.run_id: row for row in listed}
    rows = [row for run_id in run_ids if (row := by_id.get(run_id) or _unlisted_row(app, run_id)) is not None]
    return _draw(app, rows, _read_statuses(app, [row.run_id for row in rows if is_admitted(row)]), listed)


def _unlisted_row(app: App, run_id: str) -> RunRow | None:
    """Return the row of a run that is older than all listed ones; None if there is no such run."""
    return read_row(app.storage, run_id) if app.storage.runs.exists(RunPaths(run_id).request) else None


def _read_statuses(app: App, run_ids: Sequence[str]) -> dict[str, Status]:
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="statuses") as pool:
        statuses = pool.map(lambda run_id: watched_status(app, run_id), run_ids)
        return {run_id: status for run_id, status in zip(run_ids, statuses, strict=True) if status is not None}


def _draw(app: App, rows: Sequence[RunRow], statuses: Mapping[str, Status], listed: Sequence[RunRow]) -> list[Row]:
    ahead = _runs_ahead(listed)

    def draw(row: RunRow) -> Row:
        is_open = row.run_id in statuses or STATES.get(row.status, UNKNOWN).is_open
        current = row if is_open else renewed_row(app.storage, row)
        return draw_row(app, current, statuses.get(row.run_id), ahead=ahead.get(row.run_id, 0))

    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="rows") as pool:
        return list(pool.map(draw, rows))


def _runs_ahead(listed: Sequence[RunRow]) -> dict[str, int]:
    """Return for each waiting run how many waiting runs were received before it."""
    waiting = [row.run_id for row in reversed(listed) if row.status == "waiting"]
    return {run_id: number for number, run_id in enumerate(waiting)}


def _matches(row: RunRow, search: str) -> bool:
    text = " ".join((row.name or "", row.label or "", row.run_id, *map(title_of, row.styles)))
    return search.strip().casefold() in text.casefold()
