"""The batches of a run, page by page: state, frames done, task, and why one failed."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from frame_tools.contracts import ids
from frame_tools.contracts.answers import BatchPage, BatchRow
from frame_tools.contracts.calls import BatchesQuery
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.progress import StepProgress
from frame_tools.contracts.receipt import Failure, Receipt
from orchestration.app import App
from orchestration.documents import read_usable
from orchestration.reporting.pages import next_page, numbers_of_page
from orchestration.state import RunState, read_state

READ_THREADS: Final = 16


def batches_page(app: App, run_id: str, query: BatchesQuery) -> BatchPage | None:
    """Return a page of the run's batches, or None if there is no such run; empty until there is a plan.

    Costs one reading of the run's state, one listing, and one request per batch on the page.
    """
    state = read_state(app.storage, ids.check_run_id(run_id))
    if state is None:
        return None
    if not isinstance(state, RunState) or state.plan is None:
        return BatchPage(batches=(), total=None, next=None)
    total = state.plan.batch_count
    numbers = numbers_of_page(total, limit=query.limit, after=query.after)
    running = {item.name for item in app.storage.runs.list(RunPaths(run_id).progress)}
    with ThreadPoolExecutor(READ_THREADS, thread_name_prefix="batches") as pool:
        rows = tuple(pool.map(lambda batch: _row(app, state, batch, running=running), numbers))
    return BatchPage(batches=rows, total=total, next=next_page(numbers, total))


def _row(app: App, state: RunState, batch: int, *, running: set[str]) -> BatchRow:
    if state.plan is None:
        raise ValueError("a run without a plan has no batches")
    start, end = state.plan.span(batch)
    row: dict[str, Any] = {"batch": batch, "start": start, "end": end, "state": "waiting", "frames_done": 0}
    row |= dict.fromkeys(("reason", "remedy", "task_id", "device", "seconds", "finished_at"))
    runs, names, step = app.storage.runs, RunPaths(state.run_id), ids.step_name(batch)
    if batch in state.receipts:
        row |= {"state": "done", "frames_done": end - start}
        row |= _receipt_fields(read_usable(runs, names.receipt(batch), Receipt))
    elif step in state.failures:
        row |= {"state": "failed", **_failure_fields(read_usable(runs, names.failure(step), Failure))}
    elif names.step_progress(step) in running:
        progress = read_usable(runs, names.step_progress(step), StepProgress)
        if progress is not None:
            row |= {"state": "painting", "frames_done": min(progress.frames, end - start), "task_id": progress.task_id}
    return BatchRow.model_validate(row)


def _receipt_fields(receipt: Receipt | None) -> dict[str, Any]:
    if receipt is None:
        return {}
    return {
        "task_id": receipt.task_id,
        "device": receipt.device,
        "seconds": receipt.times.total,
        "finished_at": receipt.finished_at,
    }


def _failure_fields(failure: Failure | None) -> dict[str, Any]:
    if failure is None:
        return {}
    return {
        "reason": failure.reason,
        "remedy": failure.remedy,
        "task_id": failure.task_id or None,
        "finished_at": failure.failed_at or None,
    }
