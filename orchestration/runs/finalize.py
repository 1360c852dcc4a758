"""The end of a run: write the outcome once, write the report, then release everything that the run holds."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from frame_tools.contracts import ids
from frame_tools.contracts.choices import RunOutcome
from frame_tools.contracts.errors import DamagedError, ErrorCode, NextStep
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Outcome
from frame_tools.storage.blobs import Blob
from frame_tools.telemetry.logs import log_fields, with_run_context
from frame_tools.telemetry.metrics import FRAME_SECONDS, RUN_COST
from orchestration.app import App
from orchestration.documents import load_own
from orchestration.memory_budget import DOCUMENT_BYTES
from orchestration.reporting.page import write_page
from orchestration.reporting.report import ReportSummary, build_report, report_json
from orchestration.reporting.run_index import write_ended_entry
from orchestration.reporting.watched_status import forget_status, outdate_status
from orchestration.runs.admission import admit_next, release_slots
from orchestration.state import job_numbers
from orchestration.throughput_history import record_throughput

_log = logging.getLogger(__name__)


@with_run_context
def finalize_run(
    app: App,
    run_id: str,
    *,
    name: str,
    status: RunOutcome,
    reason: str,
    remedy: str = "",
    code: ErrorCode | None = None,
    next_step: NextStep | None = None,
    video: str | None = None,
    records: str | None = None,
    product_etag: str | None = None,
    is_still_valid: Callable[[], bool] = lambda: True,
) -> None:
    """Write the run's outcome (the first writer wins) and clean up.

    `is_still_valid` is called before and after the outcome is written: the decision may be old, and a resubmission
    may have removed its reason since. If it returns False, the outcome is not written, or is retracted.
    """
    if not is_still_valid():
        return
    outcome = Outcome(
        run_id=run_id,
        status=status,
        reason=reason,
        remedy=remedy,
        code=code,
        next_step=next_step,
        name=name,
        ended_at=app.clock.now().isoformat(),
        video=video,
        records=records,
        product_etag=product_etag,
    )
    if app.storage.runs.create(RunPaths(run_id).outcome, outcome.dumps()):
        if not is_still_valid():
            _retract(app, outcome)
            return
        _log_outcome(outcome)
        _record_metrics(app, clean_up(app, run_id))
    else:
        clean_up(app, run_id)


def _log_outcome(outcome: Outcome) -> None:
    """Log how the run ended. The failure alert selects the field `event`, "run_failed"."""
    _log.log(
        logging.ERROR if outcome.status == "failed" else logging.INFO,
        "run %s %s: %s",
        outcome.run_id,
        outcome.status,
        outcome.reason,
        extra=log_fields(event=f"run_{outcome.status}", code=outcome.code, next_step=outcome.next_step),
    )


def _retract(app: App, outcome: Outcome) -> None:
    """Delete exactly this outcome; if a handler has cleaned up after it, `advance` marks the run open again."""
    blob = app.storage.runs.read(RunPaths(outcome.run_id).outcome)
    if blob is not None and blob.data == outcome.dumps():
        app.storage.runs.delete(RunPaths(outcome.run_id).outcome, etag=blob.etag)
        forget_status(app.storage, outcome.run_id, app.clock.now())


def _record_metrics(app: App, report: Mapping[str, Any]) -> None:
    """Record the run's seconds per frame and its cost."""
    scoring = report.get("scoring", {})
    if frames := scoring.get("frames", 0):
        app.metrics.record(FRAME_SECONDS, (scoring["task_seconds"] - scoring["start_up_seconds"]) / frames)
    if (usd := report.get("cost", {}).get("usd")) is not None:
        app.metrics.record(RUN_COST, usd["total"], status=report["status"])


def terminate_jobs(app: App, run_id: str, reason: str) -> None:
    """Terminate all Batch jobs that were claimed for the run."""
    for number in job_numbers(app.storage, run_id):
        app.batch.terminate_job(ids.job_id(run_id, number), reason)


def _load_outcome(blob: Blob | None, run_id: str) -> Outcome | None:
    try:
        return load_own(Outcome, blob.data, run_id) if blob else None
    except DamagedError as error:
        _log.warning("run %s: its outcome is damaged: %s", run_id, error)
        return None


def clean_up(app: App, run_id: str) -> Mapping[str, Any]:
    """Write the report, terminate the jobs, release the slot, delete the open mark, admit the next run.

    Returns the report. Every part is idempotent. Until the open mark is deleted, the sweep calls this again; if the
    outcome is retracted at that moment and this process dies, the hourly scan for orphaned runs finds the run.
    """
    blob = app.storage.runs.read(RunPaths(run_id).outcome)
    outcome = _load_outcome(blob, run_id)
    if blob is None or outcome is None:  # a resubmission has deleted the outcome, or `advance` makes it again
        return {}
    with app.memory.hold(DOCUMENT_BYTES):
        receipts = app.receipts.take(run_id)
        report = build_report(app.storage, outcome, app.settings.price_table, receipts_read=receipts)
        report["pictures"] = list(write_page(app.storage, report))
    app.storage.output.write(RunPaths(run_id).report, report_json(report))
    terminate_jobs(app, run_id, f"run {outcome.status}")
    release_slots(app, run_id)
    record_throughput(app, report)
    write_ended_entry(app.storage, outcome, ReportSummary.model_validate(report))
    outdate_status(app.storage, run_id, app.clock.now())
    app.storage.runs.delete(RunPaths(run_id).open_mark)
    current = app.storage.runs.read(RunPaths(run_id).outcome)
    if current is None:  # deleted meanwhile: the sweep must see the run
        app.storage.runs.create(RunPaths(run_id).open_mark, b"")
    elif current.etag != blob.etag:  # ended again meanwhile: the report must match the new outcome
        return clean_up(app, run_id)
    admit_next(app)
    return report
