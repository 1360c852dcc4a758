"""What the page shows of one batch: times, why it failed, the end of its log, and its receipt."""

from collections.abc import Iterator
from dataclasses import dataclass

from frame_tools.contracts import ids
from frame_tools.contracts.calls import LogsQuery
from frame_tools.contracts.errors import MissingError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.receipt import Failure, Receipt
from orchestration.app import App
from orchestration.documents import read_usable
from orchestration.reporting.task_logs import log_tail
from orchestration.web.batch_strip import BATCH_LABELS, read_strip
from orchestration.web.run_view import Fact
from orchestration.web.text import duration_text, size_text, when_text

LOG_LINES = 200


@dataclass(frozen=True, kw_only=True)
class BatchView:
    """All of one batch."""

    run_id: str
    step: str
    number: int
    first: int
    last: int
    label: str
    is_running: bool
    """Whether its task may write more of its log."""
    reason: str
    remedy: str
    facts: tuple[Fact, ...]
    lines: tuple[str, ...]
    receipt: tuple[Fact, ...]


def read_batch(app: App, run_id: str, step: str) -> BatchView:
    """Return a batch by the name of its step ("00003"); raises MissingError if the run or the batch does not exist."""
    strip = read_strip(app, run_id)
    batch = next((batch for batch in strip.batches if batch.step == step), None) if strip is not None else None
    if strip is None or batch is None:
        raise MissingError(f"The run {run_id} has no batch {step[:20]!r}", "Load the page again.")
    names = RunPaths(run_id)
    receipt = read_usable(app.storage.runs, names.receipt(int(step)), Receipt)
    failure = read_usable(app.storage.runs, names.failure(step), Failure)
    return BatchView(
        run_id=run_id,
        step=step,
        number=batch.number,
        first=batch.first,
        last=batch.last,
        label=BATCH_LABELS[batch.state],
        is_running=strip.is_open and batch.state in ("painting", "waiting"),
        reason=failure.reason if failure else "",
        remedy=failure.remedy if failure else "",
        facts=tuple(_facts(app, receipt)) if receipt else (),
        lines=_log_lines(app, run_id, step),
        receipt=tuple(_receipt(receipt)) if receipt else (),
    )


def _log_lines(app: App, run_id: str, step: str) -> tuple[str, ...]:
    """Return the end of what the batch's task wrote for people, else of its lines about each frame."""
    for stream in ("stderr", "stdout", "images"):
        log = log_tail(app, run_id, LogsQuery.model_validate({"step": step, "stream": stream, "tail": LOG_LINES}))
        if log is not None and log.lines:
            return tuple(log.lines)
    return ()


def _facts(app: App, receipt: Receipt) -> Iterator[Fact]:
    yield "Task", receipt.task_id
    parsed = ids.parse_task_id(receipt.task_id)
    if parsed is not None and parsed[1] > 1:
        yield "Attempts", str(parsed[1])
    yield "Painted in", duration_text(receipt.times.total)
    yield "Of that, starting up", duration_text(receipt.times.start_up)
    yield "Computed on", receipt.device
    if receipt.dedicated is not None:
        yield "Node", "dedicated" if receipt.dedicated else "Spot"
    yield "Finished", when_text(receipt.finished_at, app.clock.now())
    if receipt.bad_frames:
        yield "Bad frames", ", ".join(f"{frame.index + 1} ({frame.what}, {frame.done})" for frame in receipt.bad_frames)


def _receipt(receipt: Receipt) -> Iterator[Fact]:
    yield receipt.part.name.rpartition("/")[2], f"{size_text(receipt.part.size)}, {receipt.part.sha256}"
    yield "Plan", receipt.plan_sha256
    for frame in receipt.frames:
        yield frame.name.rpartition("/")[2], frame.sha256
