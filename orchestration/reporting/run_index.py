"""The list of all runs in storage: one blob for each, newest first, whose metadata is the run's row.

An entry is a copy, which nothing decides on. Every handler that changes a run's status writes it, and the blob `listed`
of the run records what was written: as every reading of a run's state sees the hash of that blob, an entry that a
crashed handler did not write is written by the next one, or by the sweep. Its name follows from the run's request, so
that writing it twice changes nothing.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final, get_args

from frame_tools.contracts import ids, paths
from frame_tools.contracts.answers import RunPicture, RunRow
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from frame_tools.contracts.receipt import Outcome
from frame_tools.storage.blobs import BlobInfo, md5_of_bytes
from frame_tools.storage.deployment import Storage
from orchestration.documents import load_own, parse_time, read_usable
from orchestration.reporting.report import ReportSummary, read_report
from orchestration.reporting.status import derive_status
from orchestration.state import RunState, read_state

ROW: Final = "row"
"""The name of the metadata."""
MAX_ROW_CHARS: Final = 7000
"""Metadata of a blob has at most 8 KB."""
MAX_REASON_CHARS: Final = 300
MAX_STYLES: Final = 8
_UNKNOWN_TIME: Final = dt.datetime.fromtimestamp(0, dt.UTC)
EMPTY_ROW: Final[Mapping[str, Any]] = {
    **dict.fromkeys(RunRow.model_fields),
    "status": "unknown",
    "reason": "",
    "styles": (),
}


def entry_name(row: RunRow) -> str:
    """Return the name of a run's entry."""
    return paths.index_entry(parse_time(row.received_at) or parse_time(row.ended_at) or _UNKNOWN_TIME, row.run_id)


def read_entry(item: BlobInfo) -> RunRow | None:
    """Return the row of an entry; None if it cannot be read."""
    try:
        return RunRow.model_validate_json(item.metadata.get(ROW, ""))
    except ValueError:
        return None


def run_of_entry(name: str) -> str | None:
    """Return the run of an entry's name; None if the blob is no entry."""
    run_id = name.removeprefix(paths.INDEX).partition("-")[2]
    return run_id if ids.RUN_ID.fullmatch(run_id) else None


def write_entry(storage: Storage, row: RunRow, *, has_request: bool = True) -> None:
    """Write a run's entry, and then what was written; a refused trigger file has no request and no such record."""
    storage.runs.write(entry_name(row), b"", metadata={ROW: _shortened(row)})
    if has_request:
        storage.runs.write(RunPaths(row.run_id).listed, _record(row.status, entry_name(row)))


def _record(status: str, entry: str) -> bytes:
    return f"{status}\n{entry}".encode()


def _shortened(row: RunRow) -> str:
    """Return the row as ASCII text that metadata can hold."""
    fields = row.model_dump()
    fields |= {"reason": row.reason[:MAX_REASON_CHARS], "styles": row.styles[:MAX_STYLES]}
    while len(text := json.dumps(fields)) > MAX_ROW_CHARS:
        fields["styles" if fields["styles"] else "reason"] = fields["styles"][:-1] if fields["styles"] else ""
    return text


def update_entry(storage: Storage, state: RunState) -> None:
    """Write the entry of a run that has not ended unless it is written already, which costs nothing to find out."""
    if state.outcome is not None or not state.is_open:
        return
    row = open_row(state)
    if state.listed_md5 != md5_of_bytes(_record(row.status, entry_name(row))):
        write_entry(storage, row)


def open_row(state: RunState) -> RunRow:
    """Return the row of a run that has not ended."""
    fields = {"status": derive_status(state), "frames": state.plan.frame_count if state.plan else None}
    return RunRow.model_validate({**EMPTY_ROW, **request_fields(state.request), **fields})


def accepted_row(request: Request) -> RunRow:
    """Return the row of a run that was just accepted."""
    return RunRow.model_validate({**EMPTY_ROW, **request_fields(request), "status": "waiting"})


def request_fields(request: Request) -> dict[str, Any]:
    """Return what the request says about a run."""
    trigger = request.trigger
    return {
        "run_id": request.run_id,
        "name": request.name,
        "received_at": request.received_at,
        "label": trigger.label,
        "scorer": trigger.scorer,
        "styles": trigger.style_files,
        "strength": trigger.strength,
        "parent": request.parent,
    }


def ended_fields(outcome: Outcome, report: ReportSummary) -> dict[str, Any]:
    """Return what outcome and report say about a run."""
    return {
        "run_id": outcome.run_id,
        "name": outcome.name,
        "status": outcome.status,
        "reason": outcome.reason,
        "ended_at": outcome.ended_at,
        "video": outcome.video and f"{paths.OUTPUT}/{outcome.video}",
        "records": outcome.records and f"{paths.OUTPUT}/{outcome.records}",
        "frames": report.clip.frames if report.clip else None,
        "frames_done": report.scoring.frames if report.scoring else None,
        "cost_usd": report.total_usd,
        "pictures": report.pictures,
    }


def write_ended_entry(storage: Storage, outcome: Outcome, report: ReportSummary) -> None:
    """Write the entry of a run that has ended."""
    request = read_usable(storage.runs, RunPaths(outcome.run_id).request, Request)
    fields = request_fields(request) if request else {}
    row = RunRow.model_validate({**EMPTY_ROW, **fields, **ended_fields(outcome, report)})
    write_entry(storage, row, has_request=request is not None)


def read_row(storage: Storage, run_id: str) -> RunRow:
    """Return the row of a run from its documents: "unknown" with the reason if one of them cannot be read."""
    names = RunPaths(run_id)
    fields: dict[str, Any] = {**EMPTY_ROW, "run_id": run_id}
    try:
        request = storage.runs.read(names.request)
        fields |= request_fields(load_own(Request, request.data, run_id)) if request else {}
    except (VersionSkewError, DamagedError) as error:
        fields["reason"] = str(error)
    try:
        outcome = storage.runs.read(names.outcome)
        if outcome is not None:
            ended = ended_fields(load_own(Outcome, outcome.data, run_id), read_report(storage, run_id))
            ended["pictures"] = _stored_pictures(storage, run_id) if ended["pictures"] is None else ended["pictures"]
            return RunRow.model_validate(fields | ended)
    except (VersionSkewError, DamagedError) as error:
        return RunRow.model_validate(fields | {"reason": str(error)})
    state = read_state(storage, run_id)
    return RunRow.model_validate(fields | {"status": derive_status(state) if state is not None else "waiting"})


def _stored_pictures(storage: Storage, run_id: str) -> tuple[str, ...]:
    """Return the pictures of a run in `output`, for a report of an earlier version, which does not name them."""
    names = {item.name for item in storage.output.list(f"{run_id}/")}
    return tuple(name for name in get_args(RunPicture) if RunPaths(run_id).picture(name) in names)


def renewed_row(storage: Storage, row: RunRow) -> RunRow:
    """Return the row of a run that has ended; an entry of an earlier version, without pictures, is written again."""
    if row.pictures is not None:
        return row
    current = read_row(storage, row.run_id)
    if entry_name(current) == entry_name(row):
        write_entry(storage, current, has_request=current.received_at is not None)
    return current
