"""The list of runs: newest first, filtered, page by page, from the entries that handlers keep (`run_index`).

A page costs two listings. An entry that contradicts the run's open mark is out of date, and is read from the run's
documents and written again. Until the sweep has listed the runs of earlier versions, all documents are read instead.
"""

import base64
import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from azure.core.exceptions import HttpResponseError
from pydantic import TypeAdapter

from frame_tools.contracts import ids, paths
from frame_tools.contracts.answers import RunPage, RunRow
from frame_tools.contracts.calls import RunsQuery
from frame_tools.contracts.choices import TERMINAL_STATES
from frame_tools.contracts.errors import InputError
from frame_tools.storage.blobs import BlobInfo, Page
from frame_tools.storage.deployment import Storage
from orchestration.app import App
from orchestration.documents import parse_time
from orchestration.reporting.run_index import entry_name, read_entry, read_row, run_of_entry, write_entry
from orchestration.state import open_runs

READ_THREADS: Final = 32
"""Each run costs a few reads, which wait for the network rather than for this process."""
FILTERED_ENTRIES: Final = 1000
"""Entries in one listing for a page that a filter selects from."""
MAX_ENTRIES: Final = 5000
"""Entries that one page looks at; the next page continues there."""
_FIELDS: Final = TypeAdapter(tuple[Literal["entries", "documents"], str, str])
ALL_RUNS: Final = RunsQuery(limit=1000)


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where a page begins: at a listing's marker, behind the entry `last`."""

    marker: str = ""
    last: str = ""
    reads_documents: bool = False
    """Whether the pages before were made of the documents of all runs."""

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the cursor of the parameter `after`; raises InputError if no page had it as `next`."""
        if text is None:
            return cls()
        try:
            kind, marker, last = _FIELDS.validate_json(base64.urlsafe_b64decode(text.encode("ascii")))
        except ValueError:  # no ASCII, no base64, or no such list
            raise _unknown_page(text) from None
        return cls(marker=marker, last=last, reads_documents=kind == "documents")

    def text(self) -> str:
        """Return the cursor as the parameter `after`."""
        fields = ["documents" if self.reads_documents else "entries", self.marker, self.last]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def _unknown_page(text: str) -> InputError:
    return InputError(f"No page has the number {text[:40]!r}", "Take after from the field next of the page before")


def list_runs(app: App, query: RunsQuery = ALL_RUNS) -> list[dict[str, Any]]:
    """Return the first page of the selected runs, newest first."""
    return [row.model_dump() for row in list_page(app, query).runs]


def list_page(app: App, query: RunsQuery) -> RunPage:
    """Return a page of the selected runs; it may have fewer than `limit` although there is another page.

    Raises InputError if `after` is from no other page.
    """
    cursor = Cursor.parse(query.after)
    if not cursor.reads_documents:
        page = _page_of_entries(app.storage, query, cursor)
        if page is not None:
            return page
    return _page_of_documents(app.storage, query, cursor)


def _page_of_entries(storage: Storage, query: RunsQuery, cursor: Cursor) -> RunPage | None:
    """Return a page from the entries; None if the runs of earlier versions have none yet."""
    still_open = set(open_runs(storage))
    rows: list[RunRow] = []
    marker, last, seen = cursor.marker, cursor.last, 0
    while True:
        page = _entries(storage, query, marker)
        if not marker and not any(item.name == paths.INDEX_COMPLETE for item in page.items[:1]):
            return None
        for number, item in enumerate(page.items):
            row = _row_of(storage, item, last, still_open)
            if row is None:
                continue
            last, seen = item.name, seen + 1
            if _is_older(row, query):
                return RunPage(runs=tuple(rows), next=None)
            rows += [row] if _passes(query, row) else []
            if len(rows) == query.limit or seen == MAX_ENTRIES:
                is_end = number + 1 == len(page.items)
                following = Cursor(marker=page.marker if is_end else marker, last=last)
                return RunPage(runs=tuple(rows), next=None if is_end and not page.marker else following.text())
        if not page.marker:
            return RunPage(runs=tuple(rows), next=None)
        marker = page.marker


def _entries(storage: Storage, query: RunsQuery, marker: str) -> Page[BlobInfo]:
    """Return the entries from a marker on: as many as a page has without a filter."""
    is_filtered = query.status is not None or query.name is not None or query.label is not None
    limit = FILTERED_ENTRIES if is_filtered else query.limit + (0 if marker else 1)
    try:
        return storage.runs.page(paths.INDEX, marker=marker, limit=limit, with_metadata=True)
    except HttpResponseError as error:
        if error.status_code == 400 and marker:
            raise _unknown_page(marker) from error
        raise


def _row_of(storage: Storage, item: BlobInfo, last: str, still_open: Collection[str]) -> RunRow | None:
    """Return the row of an entry behind the entry `last`, read again if it is damaged or out of date."""
    run_id = run_of_entry(item.name)
    if run_id is None or item.name <= last:
        return None
    row = read_entry(item)
    if row is not None and (row.status in TERMINAL_STATES) == (run_id not in still_open):
        return row
    current = read_row(storage, run_id)
    if row != current and entry_name(current) == item.name:
        write_entry(storage, current, has_request=current.received_at is not None)
    return current


def _is_older(row: RunRow, query: RunsQuery) -> bool:
    """Return whether this run and all that follow are older than the list asks for."""
    received = parse_time(row.received_at) or parse_time(row.ended_at)
    return query.since is not None and (received is None or received < query.since)


def _passes(query: RunsQuery, row: RunRow) -> bool:
    """Return whether a run is listed."""
    return (
        (query.status is None or row.status in query.status)
        and (query.name is None or query.name.casefold() in (row.name or "").casefold())
        and query.label in (None, row.label)
        and not _is_older(row, query)
    )


def _page_of_documents(storage: Storage, query: RunsQuery, cursor: Cursor) -> RunPage:
    """Return a page that is made of the documents of all runs."""
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="list") as pool:
        rows = list(pool.map(lambda run_id: read_row(storage, run_id), sorted(set(_all_runs(storage)))))
    selected = [row for row in sorted(rows, key=entry_name) if _passes(query, row) and entry_name(row) > cursor.last]
    shown = selected[: query.limit]
    is_end = len(shown) == len(selected)
    following = None if is_end else Cursor(last=entry_name(shown[-1]), reads_documents=True).text()
    return RunPage(runs=tuple(shown), next=following)


def _all_runs(storage: Storage) -> Iterator[str]:
    yield from open_runs(storage)
    yield from (folder for folder in storage.runs.folders() if ids.RUN_ID.fullmatch(folder))
