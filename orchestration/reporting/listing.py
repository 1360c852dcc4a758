"""The list of runs: newest first, filtered by status and label."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, InputError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome
from frame_tools.storage.deployment import Storage
from orchestration.app import App
from orchestration.documents import load_own
from orchestration.reporting.status import derive_status
from orchestration.state import open_runs, read_state

DEFAULT_LIMIT: Final = 200
MAX_LIMIT: Final = 1000
READ_THREADS: Final = 32
"""Each listed run costs two reads, which wait for the network rather than for this process."""


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs are listed."""

    status: str | None = None
    label: str | None = None
    limit: int = DEFAULT_LIMIT

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Parse a query string's fields; raises InputError for an unknown field or an invalid limit."""
        unknown = sorted(set(query) - {"status", "label", "limit", "code"})
        if unknown:
            raise InputError(f"GET /api/runs has no parameter {unknown[0][:40]!r}", "Use status, label and limit.")
        limit = query.get("limit", str(DEFAULT_LIMIT))
        if not limit.isdigit() or not 1 <= int(limit) <= MAX_LIMIT:
            raise InputError(f"limit is a number from 1 to {MAX_LIMIT}, not {limit[:20]!r}", "Correct it.")
        return cls(status=query.get("status"), label=query.get("label"), limit=int(limit))

    def passes(self, row: Mapping[str, Any]) -> bool:
        """Return whether a run is listed."""
        return (self.status in (None, row["status"])) and (self.label in (None, row["label"]))


ALL_RUNS: Final = RunFilter()


def list_runs(app: App, selection: RunFilter = ALL_RUNS) -> list[dict[str, Any]]:
    """Return the selected runs, newest first."""
    still_open, admitted = set(open_runs(app.storage)), set(_admitted(app.storage))
    folders = (folder for folder in app.storage.runs.folders() if ids.RUN_ID.fullmatch(folder))
    run_ids = sorted({*still_open, *folders})
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="list") as pool:
        rows = list(pool.map(lambda run_id: _row(app.storage, run_id, is_admitted=run_id in admitted), run_ids))
    selected = [row for row in rows if selection.passes(row)]
    return sorted(selected, key=_age_key, reverse=True)[: selection.limit]


def _age_key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["received_at"] or row["ended_at"] or ""), str(row["run_id"])


def _admitted(storage: Storage) -> Iterator[str]:
    for item in storage.runs.list("slots/"):
        blob = storage.runs.read(item.name)
        if blob is not None:
            yield blob.data.decode("utf-8", "replace")


def _row(storage: Storage, run_id: str, *, is_admitted: bool) -> dict[str, Any]:
    """Return one run of the list; a run with an unreadable document is "unknown" with the reason, not an error."""
    row: dict[str, Any] = {
        "run_id": run_id,
        "name": None,
        "status": "unknown",
        "reason": "",
        "received_at": None,
        "ended_at": None,
        "label": None,
        "scorer": None,
        "styles": [],
    }
    try:
        request = storage.runs.read(RunPaths(run_id).request)
        if request is not None:
            row |= _request_fields(load_own(Request, request.data, run_id))
    except (VersionSkewError, DamagedError) as error:
        row["reason"] = str(error)
    try:
        outcome = storage.runs.read(RunPaths(run_id).outcome)
        if outcome is not None:
            return row | _outcome_fields(load_own(Outcome, outcome.data, run_id))
    except (VersionSkewError, DamagedError) as error:
        return row | {"reason": str(error)}
    return row | {"status": _open_status(storage, run_id, is_admitted=is_admitted)}


def _request_fields(request: Request) -> dict[str, Any]:
    trigger = request.trigger
    return {
        "name": request.name,
        "received_at": request.received_at,
        "label": trigger.label,
        "scorer": trigger.scorer,
        "styles": list(trigger.style_files),
    }


def _outcome_fields(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name, "status": outcome.status, "reason": outcome.reason, "ended_at": outcome.ended_at
    }  # fmt: skip


def _open_status(storage: Storage, run_id: str, *, is_admitted: bool) -> str:
    """Return an open run's status; one without a slot waits, which needs no further reads."""
    if not is_admitted:
        return "waiting"
    state = read_state(storage, run_id)
    return derive_status(state) if state is not None else "waiting"
