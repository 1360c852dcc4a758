"""A run's status for people: derived from durable state by a pure function, computed for every request."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final, Literal

from frame_tools.contracts import ids, paths
from frame_tools.contracts.choices import RunOutcome
from frame_tools.contracts.errors import DamagedError, VersionSkewError, sentence
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from orchestration.app import App
from orchestration.preflight import read_check
from orchestration.reporting.cost import expected_cost
from orchestration.state import RunState, open_runs, read_state, read_task_error

Status = Literal["waiting", "splitting", "planning", "scoring", "joining"] | RunOutcome
MAX_LISTED: Final = 200
"""Runs in one listing."""
MAX_TASK_ERRORS: Final = 10
"""Task errors in one status."""


def derive_status(state: RunState) -> Status:
    """Return the run's status."""
    if state.outcome is not None:
        return state.outcome.status
    if state.product is not None:
        return "joining"
    if state.cancelled:
        return "cancelled"
    if not state.has_slot:
        return "waiting"
    if state.plan is None:
        return "splitting" if state.request.trigger.video and state.split is None else "planning"
    return "scoring" if state.missing else "joining"


def describe(state: RunState) -> dict[str, Any]:
    """Return the run's status document: status, counts, reasons, and the location of the video."""
    plan, outcome = state.plan, state.outcome
    planned = plan.batch_count if plan else None
    return {
        "run_id": state.run_id,
        "name": state.request.name,
        "status": derive_status(state),
        "reason": outcome.reason if outcome else "",
        "remedy": outcome.remedy if outcome else "",
        "code": outcome.code if outcome else None,
        "next_step": outcome.next_step if outcome else None,
        "received_at": state.request.received_at,
        "ended_at": outcome.ended_at if outcome else None,
        "frames": plan.frame_count if plan else None,
        "batches": {"planned": planned, "done": len(state.receipts), "failed": sorted(state.failures)},
        "failures": {step: f"{f.reason}. {f.remedy}" for step, f in sorted(state.failures.items())},
        "options": state.request.trigger.model_dump(exclude_none=True, mode="json"),
        "parent": state.request.parent,
        "video": f"{paths.OUTPUT}/{state.video}" if state.video else None,
        "records": f"{paths.OUTPUT}/{state.records}" if state.records else None,
        "report": f"{paths.OUTPUT}/{RunPaths(state.run_id).report}" if outcome else None,
        "correlation_id": state.request.correlation_id,
    }


def run_status(app: App, run_id: str) -> dict[str, Any] | None:
    """Return the run's status document, or None if there is no such run. A refused trigger file has an outcome only."""
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is not None:
        return describe(state) | _problems_and_cost(app, state)
    blob = app.storage.runs.read(RunPaths(run_id).outcome)
    return Outcome.load_stored(blob.data).model_dump(exclude_none=True) if blob else None


def _problems_and_cost(app: App, state: RunState) -> dict[str, Any]:
    """Return the problems that delay the run's tasks, what the split could not keep, and the cost."""
    runs, run_id = app.storage.runs, state.run_id
    if state.outcome is not None:
        report = app.storage.output.read(RunPaths(run_id).report)
        fields = json.loads(report.data) if report else {}
        return {"trouble": [], "notes": fields.get("notes", []), "cost": fields.get("cost")}
    check = read_check(app.storage, run_id)
    blob = runs.read(RunPaths(run_id).manifest) if state.plan or state.split else None
    manifest = Manifest.load_stored(blob.data) if blob else None
    expected = None
    if state.plan and manifest:
        expected = expected_cost(state.plan, manifest, check, app.settings.price_table)
    problems = [*(check.problems if check else []), *_retried_errors(app, state)]
    notes = list(manifest.notes) if manifest else []
    return {"trouble": problems, "notes": notes, "cost": {"expected": expected}}


def _retried_errors(app: App, state: RunState) -> Iterator[str]:
    """Yield the errors of tasks whose steps may be retried, for pending steps."""
    steps: tuple[int | str, ...] = ("split",) if state.plan is None else state.missing or ("join",)
    pending = {ids.step_name(step) for step in steps} - set(state.failures)
    run = RunPaths(state.run_id)
    stored = {item.name for prefix in (run.errors, run.old_errors) for item in app.storage.runs.list(prefix)}
    relevant = (step for step in sorted(pending) if {run.error(step), run.old_error(step)} & stored)
    for name in islice(relevant, MAX_TASK_ERRORS):
        error = read_task_error(app.storage, state.run_id, name)
        if error is None:  # a resubmission has just deleted it
            continue
        step = f"Batch {int(error.step)}" if error.step.isdigit() else f"The step {error.step}"
        explanation = f"{sentence(error.reason)} {sentence(error.remedy)}"
        yield f"{step} failed at {error.happened_at} and may be retried: {explanation}"


def list_runs(app: App) -> list[dict[str, Any]]:
    """Return id and status of up to 200 runs, open runs first."""
    still_open = open_runs(app.storage)
    others = (f for f in app.storage.runs.folders() if f not in {"open", "slots", *still_open})
    listed: list[dict[str, Any]] = []
    for run_id in islice(chain(still_open, others), MAX_LISTED):
        status, reason = _status_and_reason(app, run_id)
        listed.append({"run_id": run_id, "status": status, "reason": reason})
    return listed


def _status_and_reason(app: App, run_id: str) -> tuple[str, str]:
    """Return a run's final status and reason, "open" without one; an unreadable outcome is "unknown", not an error."""
    blob = app.storage.runs.read(RunPaths(run_id).outcome)
    if blob is None:
        return "open", ""
    try:
        outcome = Outcome.load_stored(blob.data)
    except (VersionSkewError, DamagedError) as error:
        return "unknown", str(error)
    return outcome.status, outcome.reason
