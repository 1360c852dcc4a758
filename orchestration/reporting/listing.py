"""The list of runs: newest first, filtered by status and label."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.calls import RunsQuery
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome
from frame_tools.storage.deployment import Storage
from orchestration.app import App
from orchestration.documents import load_own, parse_time
from orchestration.reporting.status import derive_status
from orchestration.state import open_runs, read_state

READ_THREADS: Final = 32
"""Each listed run costs two reads, which wait for the network rather than for this process."""
ALL_RUNS: Final = RunsQuery(limit=1000)


def _passes(query: RunsQuery, row: Mapping[str, Any]) -> bool:
    """Return whether a run is listed."""
    received = parse_time(row["received_at"] or row["ended_at"])
    return (
        (query.status is None or row["status"] in query.status)
        and (query.name is None or query.name.casefold() in str(row["name"] or "").casefold())
        and query.label in (None, row["label"])
        and (query.since is None or (received is not None and received >= query.since))
    )


def list_runs(app: App, query: RunsQuery = ALL_RUNS) -> list[dict[str, Any]]:
    """Return the selected runs, newest first."""
    still_open, admitted = set(open_runs(app.storage)), set(_admitted(app.storage))
    folders = (folder for folder in app.storage.runs.folders() if ids.RUN_ID.fullmatch(folder))
    run_ids = sorted({*still_open, *folders})
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="list") as pool:
        rows = list(pool.map(lambda run_id: _row(app.storage, run_id, is_admitted=run_id in admitted), run_ids))
    selected = [row for row in rows if _passes(query, row)]
    return sorted(selected, key=_age_key, reverse=True)[: query.limit]


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
        "strength": None,
        "parent": None,
        "frames": None,
        "cost_usd": None,
        "video": None,
        "records": None,
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
        "strength": trigger.strength,
        "parent": request.parent,
    }


def _outcome_fields(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "status": outcome.status,
        "reason": outcome.reason,
        "ended_at": outcome.ended_at,
        "video": outcome.video and f"{paths.OUTPUT}/{outcome.video}",
        "records": outcome.records and f"{paths.OUTPUT}/{outcome.records}",
    }


def _open_status(storage: Storage, run_id: str, *, is_admitted: bool) -> str:
    """Return an open run's status; one without a slot waits, which needs no further reads."""
    if not is_admitted:
        return "waiting"
    state = read_state(storage, run_id)
    return derive_status(state) if state is not None else "waiting"
