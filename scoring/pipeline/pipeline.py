"""Frames through a scorer with everything overlapped: read and decode, score, follow, touch up, encode, write, measure.

The calling thread hands frames from stage to stage; each stage has threads of its own, and those beside the scorer run
at a lower priority. Order is the source's wherever it shows, and only so many frames are in memory at once, however
long the batch.
This module knows neither storage nor networks: what reads, scores and writes is handed in.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from scoring.pipeline.prefetch import PrefetchedFrame, Prefetcher, ScoredBatch, describing, scoring, timed
from scoring.pipeline.types import (
    DEFAULT_WORKERS,
    NO_STAGES,
    FrameRecord,
    Outputs,
    Source,
    SourceFrame,
    Stages,
    Stored,
    Workers,
    opaque_jpeg,
)
from scoring.thread_pools import PoolGroup
from scoring.types import DeliveredFrame, Describe, Picture, Record, Score

__all__ = [
    "FORWARDS_AT_ONCE",
    "FrameRecord",
    "Outputs",
    "Source",
    "SourceFrame",
    "Stages",
    "Workers",
    "describe",
    "opaque_jpeg",
    "run",
]

T = TypeVar("T")
R = TypeVar("R")

FORWARDS_AT_ONCE = 2
"""While one is computed the next already waits, so that the device never does."""


def run(
    source: Source,
    score: Score,
    outlets: Outputs[Stored],
    *,
    stages: Stages[Any] = NO_STAGES,
    frames_per_forward: int = 1,
    in_order: bool = False,
    workers: Workers = DEFAULT_WORKERS,
) -> tuple[Stored, ...]:
    """Score all frames of `source`, up to `frames_per_forward` of one size at once.

    `score` is called on two threads; with `in_order` on one, one frame after the other. Gives what the sink returned
    for each frame that is delivered, in order. The first error anywhere stops everything and is raised here as soon
    as the calls under way have returned; no thread is left. To cancel, raise from `source` or `on_frame`.
    """
    with PoolGroup() as threads:
        ahead = Prefetcher(stages, threads, workers, frames_per_forward=frames_per_forward)
        behind = OutputStage(outlets, stages, threads, workers)
        for forward in _forwards(ahead, source, scoring(score), threads, in_order=in_order):
            behind.add(forward)
        return behind.finish()


def describe(
    source: Source,
    describe: Describe,
    on_frame: Callable[[FrameRecord[Record]], None],
    *,
    stages: Stages[Any] = NO_STAGES,
    frames_per_forward: int = 1,
    in_order: bool = False,
    workers: Workers = DEFAULT_WORKERS,
) -> None:
    """Have all frames of `source` described, as `run` has them scored; of the stages `decode` and `shrink` count.

    `on_frame` gets each delivered frame's record as `stored`, in order, on the calling thread.
    """
    with PoolGroup() as threads:
        ahead = Prefetcher(stages, threads, workers, frames_per_forward=frames_per_forward)
        for forward in _forwards(ahead, source, describing(describe), threads, in_order=in_order):
            for loaded, record in zip(forward.batch, forward.results, strict=True):
                if loaded.delivered:
                    on_frame(
                        FrameRecord(
                            index=loaded.decoded.position.index,
                            name=loaded.decoded.name,
                            load_ms=loaded.load_ms,
                            infer_ms=forward.ms_a_frame,
                            save_ms=0.0,
                            segment_ms=0.0,
                            stored=record,
                        )
                    )


def _forwards(
    ahead: Prefetcher,
    source: Source,
    call: Callable[[list[PrefetchedFrame]], ScoredBatch[R]],
    threads: PoolGroup,
    *,
    in_order: bool,
) -> Iterator[ScoredBatch[R]]:
    """Yield what became of each batch of frames, in order, while the next are computed."""
    pool = threads.pool("score", 1 if in_order else FORWARDS_AT_ONCE, first=True)
    under_way: deque[Future[ScoredBatch[R]]] = deque()
    until = 0.0
    for batch in ahead.batches(source):
        under_way.append(threads.submit(pool, call, batch))
        if len(under_way) == FORWARDS_AT_ONCE:
            forward = threads.result(under_way.popleft()).after(until)
            until = forward.end
            yield forward
    while under_way:
        forward = threads.result(under_way.popleft()).after(until)
        until = forward.end
        yield forward


class InFlightFrame(Generic[Stored]):
    """A scored frame on its way out."""

    def __init__(self, loaded: PrefetchedFrame, infer_ms: float, followed: Future[Picture]) -> None:
        self.loaded = loaded
        self.infer_ms = infer_ms
        self.followed = followed
        self.touched: Future[tuple[Picture, float]] | None = None
        self.saved: Future[tuple[Stored, float]] | None = None
        self.joined: Future[tuple[None, float]] | None = None
        self.measured: Future[Any] | None = None

    def picture(self) -> Picture:
        """Wait for the picture that is delivered."""
        return self.followed.result() if self.touched is None else self.touched.result()[0]

    def visible(self) -> DeliveredFrame:
        """Wait for the frame as it is delivered."""
        return DeliveredFrame(self.loaded.decoded, self.picture())


class OutputStage(Generic[Stored]):
    """The frames behind the scorer: at most `waiting` are on their way out, the oldest is waited for first.

    A call may wait for one that was submitted before it, never for a later one; pools work in the order of
    submission, so some call can always go on.
    """

    def __init__(self, outlets: Outputs[Stored], stages: Stages[Any], threads: PoolGroup, workers: Workers) -> None:
        self._outlets = outlets
        self._stages = stages
        self._threads = threads
        self._following = threads.pool("follow", 1, first=True)
        self._writing = threads.pool("write", workers.writers)
        self._joining = threads.pool("segment", 1)
        self._limit = workers.waiting
        self._leaving: deque[InFlightFrame[Stored]] = deque()
        self._newest: InFlightFrame[Stored] | None = None
        self._stored: list[Stored] = []

    def add(self, forward: ScoredBatch[Picture]) -> None:
        """Send scored frames on their way, when there is room."""
        for loaded, scored in zip(forward.batch, forward.results, strict=True):
            while len(self._leaving) >= self._limit:
                self._retire_oldest()
            leaving = InFlightFrame[Stored](loaded, forward.ms_a_frame, self._follow(loaded, scored))
            if loaded.delivered:
                self._send(leaving)
            self._leaving.append(leaving)
            self._newest = leaving

    def finish(self) -> tuple[Stored, ...]:
        """Wait for all frames; give what the sink returned for each."""
        while self._leaving:
            self._retire_oldest()
        return tuple(self._stored)

    def _follow(self, loaded: PrefetchedFrame, scored: Picture) -> Future[Picture]:
        follow = self._stages.follow
        if follow is None:
            there: Future[Picture] = Future()
            there.set_result(scored)
            return there

        def call() -> Picture:
            link = None if loaded.link is None else loaded.link.result()
            return follow(loaded.decoded, scored, link)

        return self._threads.submit(self._following, call)

    def _send(self, leaving: InFlightFrame[Stored]) -> None:
        outlets, stages, submit = self._outlets, self._stages, self._threads.submit
        seen, touch, segment = leaving.loaded.decoded, stages.touch, outlets.segment
        if touch is not None:
            leaving.touched = submit(
                self._writing, _after, leaving.followed.result, lambda picture: touch(seen, picture)
            )
        if segment is not None:
            leaving.joined = submit(self._joining, _after, leaving.picture, segment)

        def save(picture: Picture) -> Stored:
            return outlets.sink(seen.position.index, seen.name, outlets.encode(picture, seen.alpha))

        leaving.saved = submit(self._writing, _after, leaving.picture, save)
        self._measure(leaving)

    def _measure(self, leaving: InFlightFrame[Stored]) -> None:
        measure, before = self._stages.measure, self._newest
        index = leaving.loaded.decoded.position.index
        if measure is None or before is None or not before.loaded.delivered or index % self._stages.measure_every:
            return
        leaving.measured = self._threads.submit(self._writing, lambda: measure(before.visible(), leaving.visible()))

    def _retire_oldest(self) -> None:
        """Wait for the oldest frame and tell of it."""
        leaving = self._leaving.popleft()
        result, loaded = self._threads.result, leaving.loaded
        if leaving.saved is None:
            result(leaving.followed)
            return
        stored, save_ms = result(leaving.saved)
        self._stored.append(stored)
        record = FrameRecord(
            index=loaded.decoded.position.index,
            name=loaded.decoded.name,
            load_ms=loaded.load_ms,
            infer_ms=leaving.infer_ms,
            save_ms=save_ms + (0.0 if leaving.touched is None else result(leaving.touched)[1]),
            segment_ms=0.0 if leaving.joined is None else result(leaving.joined)[1],
            stored=stored,
            measured=None if leaving.measured is None else result(leaving.measured),
        )
        if self._outlets.on_frame is not None:
            self._outlets.on_frame(record)


def _after(wait: Callable[[], Picture], call: Callable[[Picture], T]) -> tuple[T, float]:
    """Wait for a picture, call with it, and give the result with the milliseconds of the call alone."""
    picture = wait()
    return timed(lambda: call(picture))
