"""The frame pipeline: read, decode, score, smooth, composite, encode, write and measure, all overlapped.

The calling thread passes frames from stage to stage. Each stage has threads of its own; all but those of the scorer and
of smoothing run at a lower priority. Results keep the order of the source, and the number of frames in memory is
bounded regardless of the length of the batch.
This module depends on neither storage nor networks: the caller passes in what reads, scores and writes.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import chain
from typing import Any, Generic, TypeVar

from scoring.pipeline.prefetch import PrefetchedFrame, Prefetcher, ScoredBatch, describing, scoring, timed
from scoring.pipeline.types import (
    DEFAULT_WORKERS,
    NO_STAGES,
    FrameRecord,
    Outputs,
    Source,
    Stages,
    SteppedScore,
    Stored,
    Workers,
)
from scoring.thread_pools import PoolGroup
from scoring.types import DeliveredFrame, Describe, Picture, Record, Score

A = TypeVar("A")
T = TypeVar("T")
R = TypeVar("R")

CONCURRENT_BATCHES = 2
"""While one batch is computed the next one already waits, so that the device is never idle."""
BATCHES_IN_STEPS = 3
"""One for each step of a `SteppedScore`."""


def score_frames(
    source: Source,
    score: Score | SteppedScore,
    outputs: Outputs[Stored],
    *,
    stages: Stages[Any] = NO_STAGES,
    frames_per_forward: int = 1,
    in_order: bool = False,
    scale: int = 1,
    workers: Workers = DEFAULT_WORKERS,
) -> tuple[Stored, ...]:
    """Score all frames of `source` in batches of up to `frames_per_forward` frames of equal size and of one part.

    `score` is called on two threads, or with `in_order` on one, batch after batch; its pictures have `scale` times the
    size of the frames. The steps of a `SteppedScore` have a thread each. Returns the sink's results for the delivered
    frames, in order. The first error of any stage stops the pipeline and is raised here once the running
    calls have returned; no thread is left behind. To cancel, raise from `source` or `on_frame`.
    """
    with PoolGroup() as pools:
        prefetcher = Prefetcher(stages, pools, workers, frames_per_forward=frames_per_forward)
        output_stage = OutputStage(outputs, stages, pools, workers)
        batches = (
            _batches_in_steps(prefetcher, source, score, pools)
            if isinstance(score, SteppedScore)
            else _scored_batches(prefetcher, source, scoring(score, scale=scale), pools, in_order=in_order)
        )
        for batch in batches:
            output_stage.add(batch)
        return output_stage.finish()


def describe_frames(
    source: Source,
    describe: Describe,
    on_frame: Callable[[FrameRecord[Record]], None],
    *,
    stages: Stages[Any] = NO_STAGES,
    frames_per_forward: int = 1,
    in_order: bool = False,
    workers: Workers = DEFAULT_WORKERS,
) -> None:
    """Describe all frames of `source`, as `score_frames` scores them; only `decode` and `downscale` of the stages run.

    `on_frame` gets each delivered frame's record as `stored`, in order, on the calling thread.
    """
    with PoolGroup() as pools:
        prefetcher = Prefetcher(stages, pools, workers, frames_per_forward=frames_per_forward)
        for batch in _scored_batches(prefetcher, source, describing(describe), pools, in_order=in_order):
            for frame, record in zip(batch.frames, batch.results, strict=True):
                if frame.delivered:
                    on_frame(
                        FrameRecord(
                            index=frame.decoded.position.index,
                            name=frame.decoded.name,
                            load_ms=frame.load_ms,
                            infer_ms=batch.ms_per_frame,
                            save_ms=0.0,
                            segment_ms=0.0,
                            stored=record,
                        )
                    )


def _scored_batches(
    prefetcher: Prefetcher,
    source: Source,
    call: Callable[[list[PrefetchedFrame]], ScoredBatch[R]],
    pools: PoolGroup,
    *,
    in_order: bool,
) -> Iterator[ScoredBatch[R]]:
    """Yield the scored batches in order while the next ones are computed."""
    pool = pools.start_pool("score", 1 if in_order else CONCURRENT_BATCHES, background=False)
    in_flight: deque[Future[ScoredBatch[R]]] = deque()
    previous_end = 0.0
    for frames in prefetcher.batches(source):
        in_flight.append(pools.submit(pool, call, frames))
        if len(in_flight) == CONCURRENT_BATCHES:
            batch = pools.result(in_flight.popleft()).with_frame_time(previous_end)
            previous_end = batch.end
            yield batch
    while in_flight:
        batch = pools.result(in_flight.popleft()).with_frame_time(previous_end)
        previous_end = batch.end
        yield batch


def _batches_in_steps(
    prefetcher: Prefetcher, source: Source, score: SteppedScore, pools: PoolGroup
) -> Iterator[ScoredBatch[Picture]]:
    """Yield the scored batches in order while the next ones are in earlier steps."""
    begin, follow = (pools.start_pool(name, 1, background=False) for name in ("score", "follow"))
    in_flight: deque[tuple[float, list[PrefetchedFrame], Future[Any]]] = deque()
    previous_end = 0.0
    for frames in chain(prefetcher.batches(source), [None]):
        if frames is not None:
            begun = pools.submit(begin, score.begin, [frame.decoded for frame in frames])
            followed = pools.submit(follow, lambda before: score.follow(before.result()), begun)
            in_flight.append((time.perf_counter(), frames, followed))
        while in_flight and (frames is None or len(in_flight) == BATCHES_IN_STEPS):
            start, oldest, followed = in_flight.popleft()
            pictures = score.result(pools.result(followed))
            batch = ScoredBatch(oldest, pictures, start, time.perf_counter()).with_frame_time(previous_end)
            previous_end = batch.end
            yield batch


class InFlightFrame(Generic[Stored]):
    """A scored frame whose output is not complete."""

    def __init__(self, prefetched: PrefetchedFrame, infer_ms: float, smoothed: Future[Picture]) -> None:
        self.prefetched = prefetched
        self.infer_ms = infer_ms
        self.smoothed = smoothed
        self.composited: Future[tuple[Picture, float]] | None = None
        self.saved: Future[tuple[Stored, float]] | None = None
        self.in_segment: Future[tuple[None, float]] | None = None
        self.measured: Future[Any] | None = None

    def picture(self) -> Picture:
        """Wait for the delivered picture."""
        return self.smoothed.result() if self.composited is None else self.composited.result()[0]

    def as_delivered(self) -> DeliveredFrame:
        """Wait for the frame as it is delivered."""
        return DeliveredFrame(self.prefetched.decoded, self.picture())


class OutputStage(Generic[Stored]):
    """Second half of the pipeline; at most `waiting` frames are in flight, and the oldest is waited for first.

    A call may wait for a call that was submitted before it, never for a later one. Pools work in the order of
    submission, so some call can always proceed.
    """

    def __init__(self, outputs: Outputs[Stored], stages: Stages[Any], pools: PoolGroup, workers: Workers) -> None:
        self._outputs = outputs
        self._stages = stages
        self._pools = pools
        self._smoothing = pools.start_pool("smooth", 1, background=False)
        self._writers = pools.start_pool("write", workers.writers)
        self._segment = pools.start_pool("segment", 1)
        self._max_in_flight = workers.waiting
        self._in_flight: deque[InFlightFrame[Stored]] = deque()
        self._newest: InFlightFrame[Stored] | None = None
        self._stored: list[Stored] = []

    def add(self, batch: ScoredBatch[Picture]) -> None:
        """Submit the outputs of scored frames, waiting for the oldest ones when too many are in flight."""
        for prefetched, scored in zip(batch.frames, batch.results, strict=True):
            while len(self._in_flight) >= self._max_in_flight:
                self._retire_oldest()
            frame = InFlightFrame[Stored](prefetched, batch.ms_per_frame, self._smooth(prefetched, scored))
            if prefetched.delivered:
                self._submit_outputs(frame)
            self._in_flight.append(frame)
            self._newest = frame

    def finish(self) -> tuple[Stored, ...]:
        """Wait for all frames and return the sink's results."""
        while self._in_flight:
            self._retire_oldest()
        return tuple(self._stored)

    def _smooth(self, prefetched: PrefetchedFrame, scored: Picture) -> Future[Picture]:
        smooth = self._stages.smooth
        if smooth is None:
            unchanged: Future[Picture] = Future()
            unchanged.set_result(scored)
            return unchanged

        def call() -> Picture:
            motion = None if prefetched.motion is None else prefetched.motion.result()
            return smooth(prefetched.decoded, scored, motion)

        return self._pools.submit(self._smoothing, call)

    def _submit_outputs(self, frame: InFlightFrame[Stored]) -> None:
        outputs, submit = self._outputs, self._pools.submit
        decoded, composite, segment = frame.prefetched.decoded, self._stages.composite, outputs.segment
        if composite is not None:
            frame.composited = submit(
                self._writers, _after, frame.smoothed.result, lambda picture: composite(decoded, picture)
            )
        if segment is not None:
            frame.in_segment = submit(self._segment, _after, frame.as_delivered, segment)

        def save(picture: Picture) -> Stored:
            return outputs.sink(decoded.position.index, decoded.name, outputs.encode(picture, decoded.alpha))

        frame.saved = submit(self._writers, _after, frame.picture, save)
        self._submit_measurement(frame)

    def _submit_measurement(self, frame: InFlightFrame[Stored]) -> None:
        measure, previous = self._stages.measure, self._newest
        index = frame.prefetched.decoded.position.index
        if measure is None or previous is None or not previous.prefetched.delivered:
            return
        if index % self._stages.measure_every == 0:
            frame.measured = self._pools.submit(
                self._writers, lambda: measure(previous.as_delivered(), frame.as_delivered())
            )

    def _retire_oldest(self) -> None:
        """Wait for the oldest frame in flight and report it."""
        frame = self._in_flight.popleft()
        result, prefetched = self._pools.result, frame.prefetched
        if frame.saved is None:
            result(frame.smoothed)
            return
        stored, save_ms = result(frame.saved)
        self._stored.append(stored)
        record = FrameRecord(
            index=prefetched.decoded.position.index,
            name=prefetched.decoded.name,
            load_ms=prefetched.load_ms,
            infer_ms=frame.infer_ms,
            save_ms=save_ms + (0.0 if frame.composited is None else result(frame.composited)[1]),
            segment_ms=0.0 if frame.in_segment is None else result(frame.in_segment)[1],
            stored=stored,
            measured=None if frame.measured is None else result(frame.measured),
        )
        if self._outputs.on_frame is not None:
            self._outputs.on_frame(record)


def _after(wait: Callable[[], A], call: Callable[[A], T]) -> tuple[T, float]:
    """Wait for an argument, call `call` with it, and return the result and the milliseconds of the call alone."""
    argument = wait()
    return timed(lambda: call(argument))
