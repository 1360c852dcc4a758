"""What a task writes of each batch: frames, segment, state of smoothing, log, then the receipt, then the message.

The next batch is being painted meanwhile: a thread of its own completes one batch after the other.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Final, Self

from frame_tools.contracts import ids
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import BadFrame, Receipt, StoredFile
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.blobs import sha256_of
from scoring.pipeline.frame_reader import PictureSource
from scoring.pipeline.types import FrameRecord
from scoring.tasks.base import Task, utc_now
from scoring.tasks.pairs import PairWriter
from scoring.tasks.progress import ProgressWriter
from scoring.tasks.smoothing_states import encode_state
from scoring.tasks.timing import Timing
from scoring.temporal.smooth import SmoothingState
from scoring.types import DeliveredFrame

_log = logging.getLogger(__name__)

VERSIONED_LIBRARIES: Final = ("torch", "numpy", "opencv-python-headless", "av")
"""Libraries whose version can change the bytes of a frame."""
MAX_INCOMPLETE: Final = 2
"""Painted batches that may wait for being completed: each holds its segment and a state of smoothing in memory."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What all batches of a task share."""

    task: Task
    plan: Plan
    plan_sha256: str
    manifest: Manifest
    frames: PictureSource
    device: str
    contrast: float | None = None
    """Share of full contrast that the scorer's normalization leaves the frames, if it measures that."""

    def store_file(self, name: str, data: bytes) -> StoredFile:
        """Write a file to `work`."""
        etag = self.task.storage.work.write(name, data)
        return StoredFile(name=name, size=len(data), sha256=sha256_of(data), etag=etag)


class ReceiptWriter:
    """Completes batches in order: writes what is left of each, its log and its receipt, and sends its message."""

    def __init__(self, run: RunContext, *, started: float) -> None:
        self._run, self._since, self._start_up = run, started, 0.0
        self._is_ready = False
        self._pool = ThreadPoolExecutor(1, "receipts")
        self._incomplete: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def scorer_is_ready(self) -> None:
        """Note the end of the start-up, which counts to the first batch."""
        if not self._is_ready:
            self._is_ready, self._start_up = True, time.monotonic() - self._since

    def submit(self, write: Callable[[], None]) -> Future[None]:
        """Write something of a batch before it is complete; who calls looks at the result."""
        return self._pool.submit(write)

    def add(self, batch: int, timing: Timing, product: Callable[[], Mapping[str, Any]]) -> None:
        """Complete a batch whose frames are painted; `product` writes its files and returns the receipt's fields.

        Raises the error with which an earlier batch could not be completed.
        """
        while len(self._incomplete) >= MAX_INCOMPLETE:
            self._incomplete.popleft().result()
        self._incomplete.append(self._pool.submit(self._complete, batch, timing, product))

    def wait(self) -> None:
        """Wait until all batches are complete; raises the first error."""
        while self._incomplete:
            self._incomplete.popleft().result()

    def abandon(self) -> None:
        """Let the batches that are painted be completed; an error shows in what is missing."""
        for future in self._incomplete:
            if (error := future.exception()) is not None:
                _log.warning("A painted batch could not be completed: %s", error)
        self._incomplete.clear()

    def _complete(self, batch: int, timing: Timing, product: Callable[[], Mapping[str, Any]]) -> None:
        task, plan = self._run.task, self._run.plan
        fields = product()
        log_name = RunPaths(task.run_id).timing_log(ids.batch_log_name(batch))
        task.storage.logs.write(log_name, timing.lines())
        now = time.monotonic()
        start, end = plan.span(batch)
        receipt = Receipt(
            run_id=task.run_id,
            batch=batch,
            start=start,
            end=end,
            plan_sha256=self._run.plan_sha256,
            log=log_name,
            task_id=task.task_id,
            device=self._run.device,
            dedicated=task.dedicated,
            contrast=self._run.contrast,
            times=timing.times(start_up=self._start_up, total=now - self._since),
            versions=_versions(),
            finished_at=utc_now(),
            **fields,
        )
        task.storage.runs.create(RunPaths(task.run_id).receipt(batch), receipt.dumps())
        _log.info("Batch %d: %d frames in %.1f s", batch, end - start, now - self._since)
        self._since, self._start_up = now, 0.0
        replace(task, step=batch).send_message()


class PaintedBatches:
    """The outputs of consecutive batches that pass through the pipeline together.

    Each frame passes `on_end` (on the thread of smoothing), `add_to_segment` (on that of the segment) and `on_frame`
    (on the calling thread) in this order, and in the order of frames.
    """

    def __init__(
        self, run: RunContext, batches: Sequence[int], progress: ProgressWriter, receipts: ReceiptWriter
    ) -> None:
        self._run, self._progress, self._receipts = run, progress, receipts
        self._states: dict[int, SmoothingState] = {}
        self._to_encode = deque(batches)
        self._to_complete = deque(batches)
        self._count = len(batches)
        self._encoding: _PaintedBatch | None = None
        self._painted: dict[int, _PaintedBatch] = {}
        self.bad_frames: Callable[[int, int], tuple[BadFrame, ...]] = lambda _start, _end: ()
        progress.begin(ids.step_name(batches[0]))

    @property
    def has_completed_any(self) -> bool:
        """Whether all frames of a batch are painted, so that its receipt is about to be written."""
        return len(self._to_complete) < self._count

    def on_end(self, batch: int, state: SmoothingState) -> None:
        """Keep the state of smoothing at the end of a batch."""
        if batch in self._to_complete:
            self._states[batch] = state

    def write_frame(self, index: int, _name: str, data: bytes) -> StoredFile | None:
        """Store a painted frame, unless the run keeps only its video."""
        if not self._run.plan.options.stores_frames:
            return None
        name = self._run.manifest.painted_name(index)
        return self._run.store_file(RunPaths(self._run.task.run_id).painted_frame(name), data)

    def add_to_segment(self, frame: DeliveredFrame) -> None:
        """Add the next frame to the segment of its batch."""
        batch = self._encoding
        if batch is None:
            batch = self._encoding = _PaintedBatch(self._run, self._to_encode.popleft(), self._receipts)
            self._painted[batch.number] = batch
        batch.add_frame(frame)
        if batch.is_full:
            self._encoding = None

    def on_frame(self, record: FrameRecord[StoredFile | None]) -> None:
        """Count a frame that is stored and in its segment; complete its batch if it is the last one."""
        batch = self._painted[self._to_complete[0]]
        batch.add_record(record)
        self._progress.add_frame()
        if record.index + 1 < batch.end:
            return
        del self._painted[self._to_complete.popleft()]
        state, bad_frames = self._states.pop(batch.number, None), self.bad_frames(batch.start, batch.end)
        self._receipts.add(batch.number, batch.timing, lambda: batch.product(state, bad_frames))
        if self._to_complete:
            self._progress.begin(ids.step_name(self._to_complete[0]))


class _PaintedBatch:
    """The outputs of one batch."""

    def __init__(self, run: RunContext, number: int, receipts: ReceiptWriter) -> None:
        self.number = number
        self.start, self.end = run.plan.span(number)
        self.timing = Timing(run.task.run_id, number, start=self.start)
        self._run = run
        self._left = self.end - self.start
        self._encoder = SegmentEncoder(run.manifest, odd_size=run.plan.options.odd_size, scale=run.plan.scale)
        self._pairs = PairWriter(run.task.storage, run.plan, submit=receipts.submit)
        self._stored: list[StoredFile] = []

    @property
    def is_full(self) -> bool:
        """Whether all frames are in the segment."""
        return not self._left

    def add_frame(self, frame: DeliveredFrame) -> None:
        """Add the next frame to the segment, and keep it if it belongs to a pair."""
        self._encoder.add(frame.picture)
        self._pairs.add(frame)
        self._left -= 1

    def add_record(self, record: FrameRecord[StoredFile | None]) -> None:
        """Add what is known of a stored frame."""
        self.timing.add_painted(record)
        if record.stored is not None:
            self._stored.append(record.stored)

    def product(self, state: SmoothingState | None, bad_frames: tuple[BadFrame, ...]) -> dict[str, Any]:
        """Write the segment and the state of smoothing, and end the pairs; return the receipt's fields about them."""
        names = RunPaths(self._run.task.run_id)
        encoded = None if state is None else encode_state(state)
        fields = {
            "frames": tuple(self._stored),
            "segment": self._run.store_file(names.segment(self.number), self._encoder.finish()),
            "bad_frames": bad_frames,
            "steadiness": self.timing.steadiness,
        }
        if encoded is not None:
            fields["smoothing"] = self._run.store_file(names.smoothing_state(self.number), encoded)
        self._pairs.finish()
        return fields


def _versions() -> dict[str, str]:
    """Return the versions of the installed libraries; the scorer `copy` runs without torch."""
    versions = {"impasto": IMPASTO_VERSION}
    for library in VERSIONED_LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
