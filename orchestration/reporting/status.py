"""A run's status for people: derived from durable state by a pure function, computed for every request."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.answers import Status
from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep, VersionSkewError, sentence
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from orchestration.app import App
from orchestration.delays import read_delay
from orchestration.documents import load_own
from orchestration.memory_budget import DOCUMENT_BYTES
from orchestration.preflight import PoolCheck, read_check
from orchestration.reporting.cost import LOCAL_VM_SIZE, expected_cost
from orchestration.reporting.progress import read_steps, run_progress
from orchestration.reporting.report import read_report, run_notes
from orchestration.reporting.tuning import read_tuning
from orchestration.state import AnyState, RunState, UnreadableRun, read_state, read_task_error
from orchestration.throughput_history import measured_throughput

SMALL_RUN_FRAMES: Final = 20_000
"""The manifest of a run with so many frames takes a few megabytes."""
_NO_REQUEST: Final = DamagedError("The trigger file was refused, so there is no request", "Upload it again")
MAX_TASK_ERRORS: Final = 10
"""Task errors in one status."""


def derive_status(state: AnyState) -> Status:
    """Return the run's status; "unknown" for a run that has ended with an outcome that cannot be read."""
    if state.outcome is not None:
        return state.outcome.status
    if state.damaged_outcome is not None and not state.is_open:
        return "unknown"
    if isinstance(state, RunState) and state.product is not None:
        return "joining"
    if state.cancelled:
        return "cancelled"
    if isinstance(state, UnreadableRun) or not state.has_slot:
        return "waiting"
    if state.plan is None:
        return "splitting" if state.request.trigger.needs_split and state.split is None else "planning"
    return "scoring" if state.missing else "joining"


def describe(state: AnyState) -> dict[str, Any]:
    """Return the run's status document: status, counts, reasons, and the location of the video.

    Of a run whose request cannot be read, everything that follows from the request is None.
    """
    outcome, run = state.outcome, state if isinstance(state, RunState) else None
    plan, failures = (run.plan, run.failures) if run else (None, {})
    return {
        "run_id": state.run_id,
        "name": state.name,
        "status": derive_status(state),
        **_end(state),
        "received_at": run.request.received_at if run else None,
        "ended_at": outcome.ended_at if outcome else None,
        "frames": plan.frame_count if plan else None,
        "batches": {
            "planned": plan.batch_count if plan else None,
            "done": len(run.receipts) if run else 0,
            "failed": sorted(failures),
        },
        "failures": {step: f"{f.reason}. {f.remedy}" for step, f in sorted(failures.items())},
        "options": run.request.trigger.model_dump(exclude_none=True, mode="json") if run else None,
        "parent": run.request.parent if run else None,
        **_products(state),
        "report": f"{paths.OUTPUT}/{RunPaths(state.run_id).report}" if outcome else None,
        "correlation_id": run.request.correlation_id if run else state.run_id,
    }


def _products(state: AnyState) -> dict[str, Any]:
    """Return where video and records are; the outcome knows it, too, if request or plan cannot be read any more."""
    source = state if isinstance(state, RunState) and state.plan is not None else state.outcome
    video, records = (source.video, source.records) if source is not None else (None, None)
    return {
        "video": f"{paths.OUTPUT}/{video}" if video else None,
        "records": f"{paths.OUTPUT}/{records}" if records else None,
    }


def _end(state: AnyState) -> dict[str, Any]:
    """Return why and how the run ended, and what to do."""
    outcome = state.outcome
    if outcome is None and state.damaged_outcome is not None and derive_status(state) == "unknown":
        return _unreadable_outcome(state.run_id, state.damaged_outcome.error)
    end: dict[str, Any] = {
        "reason": outcome.reason if outcome else "",
        "remedy": outcome.remedy if outcome else "",
        "code": outcome.code if outcome else None,
        "next_step": outcome.next_step if outcome else None,
    }
    is_resumable = outcome is not None and outcome.status in ("failed", "cancelled")
    if isinstance(state, UnreadableRun) and is_resumable and end["next_step"] != NextStep.START_NEW_RUN:
        end |= _way_on_without_request(state.error)
    return end


def _way_on_without_request(error: DamagedError | VersionSkewError) -> dict[str, Any]:
    """Return remedy and next step of a run whose request became unreadable after it had ended."""
    if isinstance(error, VersionSkewError):
        return {"remedy": error.remedy, "next_step": error.next_step}
    return {
        "remedy": "Upload the trigger file again to start a new run, because the request of this one is damaged",
        "next_step": NextStep.START_NEW_RUN,
    }


def _unreadable_outcome(run_id: str, error: DamagedError | VersionSkewError) -> dict[str, Any]:
    """Return what is known of the end of a run whose outcome cannot be read."""
    if isinstance(error, VersionSkewError):
        return {"reason": error.what, "remedy": error.remedy, "code": error.code, "next_step": error.next_step}
    return {
        "reason": f"The run has ended, but {paths.RUNS}/{RunPaths(run_id).outcome} cannot be read",
        "remedy": "Resubmit what is missing: nothing that is complete is done again",
        "code": ErrorCode.DAMAGED_DATA,
        "next_step": NextStep.RESUBMIT,
    }


def run_status(app: App, run_id: str) -> dict[str, Any] | None:
    """Return the run's status document, or None if there is no such run. A refused trigger file has an outcome only."""
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is not None:
        return status_of(app, state)
    blob = app.storage.runs.read(RunPaths(run_id).outcome)
    return None if blob is None else _describe_refusal(run_id, blob.data)


def status_of(app: App, state: AnyState) -> dict[str, Any]:
    """Return the status document of a run whose state has been read."""
    check = _read_check(app, state)
    return describe(state) | _progress(app, state, check) | _problems_and_cost(app, state, check)


def _describe_refusal(run_id: str, data: bytes) -> dict[str, Any]:
    """Return the status of a refused trigger file, of which there is nothing but the outcome."""
    outcome, end = None, {}
    try:
        outcome = load_own(Outcome, data, run_id)
        end = {"name": outcome.name}
    except (DamagedError, VersionSkewError) as error:
        end = {"status": "unknown", **_unreadable_refusal(run_id, error)}
    state = UnreadableRun(id=run_id, error=_NO_REQUEST, is_open=False, cancelled=False, outcome=outcome)
    return describe(state) | {"progress": None, "trouble": [], "notes": [], "cost": None} | end


def _unreadable_refusal(run_id: str, error: DamagedError | VersionSkewError) -> dict[str, Any]:
    end = _unreadable_outcome(run_id, error)
    if isinstance(error, VersionSkewError):
        return end
    return end | {
        "remedy": "Upload the trigger file again to start a new run",
        "next_step": NextStep.START_NEW_RUN,
    }


def _read_check(app: App, state: AnyState) -> PoolCheck | None:
    """Return the check of the pool of a run that is open."""
    is_stored = state.outcome is None and RunPaths(state.run_id).pool_check in state.stored
    return read_check(app.storage, state.run_id) if is_stored else None


def _progress(app: App, state: AnyState, check: PoolCheck | None) -> dict[str, Any]:
    """Return how far the run is; tasks' progress is read only while it is open."""
    if not isinstance(state, RunState):
        return {"progress": None}
    steps = read_steps(app.storage.runs, state.run_id, state) if state.outcome is None else {}
    is_local = check is not None and check.vm_size == LOCAL_VM_SIZE
    now = app.clock.now()
    tuning = read_tuning(app.storage.runs, state, now) if state.outcome is None else None
    progress = run_progress(state, derive_status(state), steps, now, is_local=is_local, tuning=tuning)
    return {"progress": progress.document()}


def _problems_and_cost(app: App, state: AnyState, check: PoolCheck | None) -> dict[str, Any]:
    """Return the problems that delay the run's tasks, what the split could not keep, and the cost."""
    if state.outcome is not None:
        report = read_report(app.storage, state.run_id)
        cost = report.cost.model_dump(exclude_unset=True) if report.cost else None
        return {"trouble": [], "notes": list(report.notes), "cost": cost}
    unreadable = [str(blob.error) for blob in state.unreadable.values()]
    if not isinstance(state, RunState):
        return {"trouble": unreadable, "notes": [], "cost": {"expected": None}}
    with app.memory.hold(DOCUMENT_BYTES if _may_be_large(state) else 0):
        manifest = _manifest(app, state) if state.plan or state.split else None
        expected = None
        if state.plan and manifest:
            measured = measured_throughput(app, state.plan.options, width=manifest.width, height=manifest.height)
            expected = expected_cost(state.plan, manifest, check, app.settings.price_table, measured=measured)
    problems = [*unreadable, *_delays(app, state), *(check.problems if check else []), *_retried_errors(app, state)]
    notes = run_notes(state.plan, manifest) if manifest else []
    return {"trouble": problems, "notes": notes, "cost": {"expected": expected}}


def _delays(app: App, state: RunState) -> Iterator[str]:
    """Yield the error that keeps the Function App from advancing the run, unless the state has the same one."""
    delay = read_delay(app.storage, state.run_id) if state.is_delayed else None
    if delay is not None and delay.reason not in {blob.error.what for blob in state.unreadable.values()}:
        yield f"Delayed since {delay.happened_at}: {sentence(delay.reason)} {sentence(delay.remedy)}"


def _manifest(app: App, state: RunState) -> Manifest | None:
    """Return the run's manifest; None if it is missing or damaged, which planning or joining will repair."""
    blob = app.storage.runs.read(RunPaths(state.run_id).manifest)
    try:
        return Manifest.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None


def _may_be_large(state: RunState) -> bool:
    """Return whether the run's manifest may have many timestamps; the status of a short run never waits for memory."""
    frames = state.plan.frame_count if state.plan else state.split.frame_count if state.split else 0
    return frames > SMALL_RUN_FRAMES


def _retried_errors(app: App, state: RunState) -> Iterator[str]:
    """Yield the errors of tasks whose steps may be retried, for pending steps."""
    steps: tuple[int | str, ...] = ("split",) if state.plan is None else state.missing or ("join",)
    pending = {ids.step_name(step) for step in steps} - set(state.failures)
    run = RunPaths(state.run_id)
    relevant = (step for step in sorted(pending) if {run.error(step), run.old_error(step)} & state.stored)
    for name in islice(relevant, MAX_TASK_ERRORS):
        error = read_task_error(app.storage, state.run_id, name)
        if error is None:  # a resubmission has just deleted it
            continue
        step = f"Batch {int(name)}" if name.isdecimal() else f"The step {name}"
        explanation = f"{sentence(error.reason)} {sentence(error.remedy)}"
        yield f"{step} failed at {error.happened_at} and may be retried: {explanation}"
