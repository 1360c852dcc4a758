"""How long each stage of a run took, from what is durable already.

| stage | begins | ends |
|---|---|---|
| waiting | the request's `received_at` | the mark that the split was queued, else the run's manifest was written |
| checking | then | the mark that the batches were queued |
| starting | then | the first task began: a receipt's end less its duration, or a running task's progress |
| painting | then | the last receipt was written |
| joining | then | the record of the committed product was written |

The last stage that has begun is the current one, or ends with the run, at the outcome's `ended_at`. Clocks of nodes and
storage differ: no stage ends before it begins.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from frame_tools.contracts.answers import Answer
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.progress import StepProgress
from frame_tools.contracts.receipt import Receipt
from frame_tools.storage.blobs import BlobInfo
from frame_tools.storage.ports import BlobContainer
from orchestration.documents import parse_time, read_usable

Stage = Literal["waiting", "checking", "starting", "painting", "joining"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
FIRST_RECEIPTS: Final = 3
"""Receipts of an open run that are read for the time at which its first task began: those that came first."""


class StageTime(Answer):
    """When a stage began, UTC, and how many seconds it took; None while it has not ended."""

    stage: Stage
    started_at: str
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Moments:
    """When the stages of a run ended; None for what has not happened, or is not known."""

    received: dt.datetime | None
    admitted: dt.datetime | None = None
    queued: dt.datetime | None = None
    first_task: dt.datetime | None = None
    last_receipt: dt.datetime | None = None
    committed: dt.datetime | None = None
    ended: dt.datetime | None = None


def stage_times(moments: Moments) -> tuple[StageTime, ...]:
    """Return the stages that have begun, in order, the last of which has no end while the run is open.

    If the end of a stage is not known but that of a later one is, all the time until then counts for the earlier stage.
    """
    if moments.received is None:
        return ()
    ends = (moments.admitted, moments.queued, moments.first_task, moments.last_receipt, moments.committed)
    times: list[StageTime] = []
    begin = moments.received
    for number, stage in enumerate(STAGES):
        end = next((each for each in ends[number:] if each is not None), None)
        until = end or moments.ended
        seconds = None if until is None else round(max(0.0, (until - begin).total_seconds()), 1)
        times.append(StageTime(stage=stage, started_at=begin.isoformat(), seconds=seconds))
        if end is None:
            break
        begin = max(begin, end)
    return tuple(times)


def moments_of(
    run_id: str,
    listed: Mapping[str, BlobInfo],
    *,
    received_at: str | None,
    ended_at: str | None,
    task_starts: Iterable[dt.datetime],
    is_scored: bool,
) -> Moments:
    """Return the moments of a run from the listing of its blobs in `runs` and the times at which tasks began."""
    run = RunPaths(run_id)
    created = {name: item.created for name, item in listed.items()}
    admitted = created.get(run.queued("split")) or created.get(run.manifest)
    last = max((time for name, time in created.items() if name.startswith(run.receipts) and time), default=None)
    return Moments(
        received=parse_time(received_at),
        admitted=admitted,
        queued=created.get(run.queued("batches")),
        first_task=min(task_starts, default=None),
        last_receipt=last if is_scored else None,
        committed=created.get(run.product_record) if is_scored else None,
        ended=parse_time(ended_at),
    )


def start_of_task(receipt: Receipt) -> dt.datetime | None:
    """Return when the task of a receipt began its work on the batch."""
    end = parse_time(receipt.finished_at)
    return None if end is None else end - dt.timedelta(seconds=max(0.0, receipt.times.total))


def read_task_starts(runs: BlobContainer, run_id: str, listed: Mapping[str, BlobInfo]) -> Iterator[dt.datetime]:
    """Yield when the first tasks of an open run began: those with the oldest receipts, or else those that run.

    Costs at most FIRST_RECEIPTS requests.
    """
    paths = RunPaths(run_id)
    receipts = (read_usable(runs, name, Receipt) for name in _oldest(listed, paths.receipts))
    own = [start_of_task(receipt) for receipt in receipts if receipt is not None and receipt.run_id == run_id]
    if not own:
        split = paths.step_progress("split")
        running = (read_usable(runs, name, StepProgress) for name in _oldest(listed, paths.progress) if name != split)
        own = [_start_of_running(progress) for progress in running if progress is not None]
    yield from (time for time in own if time is not None)


def _oldest(listed: Mapping[str, BlobInfo], prefix: str) -> Iterator[str]:
    """Yield the names of the FIRST_RECEIPTS blobs with this prefix that were created first."""
    created = [(item.created, name) for name, item in listed.items() if name.startswith(prefix) and item.created]
    yield from (name for _, name in sorted(created)[:FIRST_RECEIPTS])


def _start_of_running(progress: StepProgress) -> dt.datetime | None:
    written = parse_time(progress.written_at)
    return None if written is None else written - dt.timedelta(seconds=progress.seconds)
