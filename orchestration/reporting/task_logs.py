"""The end of a task's output: from its node while it runs, from storage afterwards."""

from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.answers import LogTail
from frame_tools.contracts.calls import LogsQuery
from frame_tools.contracts.errors import DamagedError, MissingError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import work_of
from frame_tools.storage.ports import BlobContainer
from orchestration.app import App
from orchestration.state import job_numbers

TAIL_BYTES: Final = 256 * 2**10
"""What is read of a log at most."""


def log_tail(app: App, run_id: str, query: LogsQuery) -> LogTail | None:
    """Return the last lines of a step's latest task, or None if there is no such run; no lines if it has no task yet.

    Costs two listings and at most six requests.
    """
    run = RunPaths(ids.check_run_id(run_id))
    if not any(app.storage.runs.page(run.folder, limit=1).items):
        return None
    if query.stream == "images":
        name = run.timing_log(ids.batch_log_name(int(query.step)) if query.step.isdecimal() else query.step)
        return _tail(query, _read(app.storage.logs, name), task_id=None, source="storage")
    work = _work(app, run_id, query.step)
    attempts = _stored_attempts(app, run_id, work)
    running = ids.task_id(work, max(attempts, default=0) + 1)
    numbers = job_numbers(app.storage, run_id)
    if numbers:
        data = app.batch.file_tail(ids.job_id(run_id, max(numbers)), running, f"{query.stream}.txt", limit=TAIL_BYTES)
        if data is not None:
            return _tail(query, data, task_id=running, source="node")
    if not attempts:
        return LogTail(step=query.step, task_id=None, stream=query.stream, source="none", lines=(), truncated=False)
    task_id = ids.task_id(work, max(attempts))
    data = _read(app.storage.logs, f"{run.task_output_folder(task_id)}/{query.stream}.txt")
    return _tail(query, data, task_id=task_id, source="storage")


def _work(app: App, run_id: str, step: str) -> ids.Work:
    """Return what the task of a step does; a batch that the plan does not have would have a task of its own."""
    try:
        plan = app.plans.find(app.storage, run_id) if step.isdecimal() else None
    except (DamagedError, VersionSkewError):
        plan = None
    number = int(step) if step.isdecimal() else step
    return work_of(number, plan if plan is not None and number in range(plan.batch_count) else None)


def _stored_attempts(app: App, run_id: str, work: ids.Work) -> set[int]:
    """Return the attempts at some work whose output Batch has stored."""
    first = RunPaths(run_id).task_output_folder(ids.task_name(work))
    folders = {item.name.split("/")[1] for item in app.storage.logs.page(first).items if item.name.count("/") > 1}
    parsed = (ids.parse_task_id(folder) for folder in folders)
    return {attempt for each in parsed if each is not None for attempt in each[1:] if each[0] == work}


def _read(container: BlobContainer, name: str) -> bytes | None:
    """Return the last `TAIL_BYTES` of a blob; None if it does not exist."""
    try:
        blob = container.open(name)
    except MissingError:
        return None
    size = blob.seek(0, 2)
    blob.seek(max(0, size - TAIL_BYTES))
    return blob.read(TAIL_BYTES)


def _tail(query: LogsQuery, data: bytes | None, *, task_id: str | None, source: str) -> LogTail:
    """Return the last lines; the first of them is left out if it may be a part of a line."""
    lines = (data or b"").decode("utf-8", "replace").splitlines()
    is_cut = data is not None and len(data) >= TAIL_BYTES
    lines = lines[1:] if is_cut and len(lines) > 1 else lines
    return LogTail.model_validate(
        {
            "step": query.step,
            "task_id": task_id,
            "stream": query.stream,
            "source": source if data is not None else "none",
            "lines": lines[-query.tail :],
            "truncated": is_cut or len(lines) > query.tail,
        }
    )
