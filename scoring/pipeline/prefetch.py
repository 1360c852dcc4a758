"""The part of `stream` up to the scorer's answer: frames are read, decoded, shrunk, linked, and scored in batches."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from frame_tools.contracts.errors import InternalError
from scoring.pipeline.types import Source, SourceFrame, Stages, Workers
from scoring.thread_pools import PoolGroup
from scoring.types import DecodedFrame, Describe, FramePositions, Picture, PictureError, Pictures, Record, Score

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class PrefetchedFrame:
    """A frame before the scorer; `link` tells how it goes on from the frame before."""

    decoded: DecodedFrame
    delivered: bool
    load_ms: float
    link: Future[Any] | None = None


@dataclass(frozen=True)
class ScoredBatch(Generic[R]):
    """A batch of frames with one result for each; `start` and `end` in seconds of the performance counter."""

    batch: list[PrefetchedFrame]
    results: list[R]
    start: float
    end: float
    ms_a_frame: float = 0.0
    """What the forward added to the time of those before, for each of its frames."""

    def after(self, until: float) -> "ScoredBatch[R]":
        """Fill in `ms_a_frame`; the forward before ended at `until`."""
        added = max(0.0, self.end - max(self.start, until))
        return replace(self, ms_a_frame=added * 1e3 / len(self.batch))


class Prefetcher:
    """The frames before the scorer: read ahead by several threads, up to as many as may wait."""

    def __init__(self, stages: Stages[Any], threads: PoolGroup, workers: Workers, *, frames_per_forward: int) -> None:
        self._stages = stages
        self._threads = threads
        self._reading = threads.pool("read", workers.readers)
        self._size = frames_per_forward
        self._ahead = workers.waiting + frames_per_forward

    def batches(self, source: Source) -> Iterator[list[PrefetchedFrame]]:
        """Group frames in order, up to `frames_per_forward` of equal height and width."""
        batch: list[PrefetchedFrame] = []
        for frame in self._linked(self._loaded(source)):
            if batch and frame.decoded.working_picture.shape != batch[0].decoded.working_picture.shape:
                yield batch
                batch = []
            batch.append(frame)
            if len(batch) == self._size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _loaded(self, source: Source) -> Iterator[PrefetchedFrame]:
        """Yield the decoded frames in order, with several under way or waiting."""
        pending: deque[Future[PrefetchedFrame]] = deque()
        for frame in source:
            pending.append(self._threads.submit(self._reading, self._load, frame))
            if len(pending) >= self._ahead:
                yield self._threads.result(pending.popleft())
        while pending:
            yield self._threads.result(pending.popleft())

    def _load(self, frame: SourceFrame) -> PrefetchedFrame:
        def load() -> DecodedFrame:
            decoded = self._stages.decode(frame.fetch(), frame.name)
            shrink = self._stages.shrink
            return DecodedFrame(
                position=frame.position,
                name=frame.name,
                picture=decoded.picture,
                alpha=decoded.alpha,
                working_picture=decoded.picture if shrink is None else shrink(decoded.picture),
            )

        seen, load_ms = timed(load)
        return PrefetchedFrame(seen, frame.delivered, load_ms)

    def _linked(self, frames: Iterable[PrefetchedFrame]) -> Iterator[PrefetchedFrame]:
        """Have each frame linked to the one before, if they are of one size."""
        before: DecodedFrame | None = None
        for frame in frames:
            seen, link = frame.decoded, self._stages.link
            if link is None or before is None or before.working_picture.shape != seen.working_picture.shape:
                yield frame
            else:
                yield replace(frame, link=self._threads.submit(self._reading, link, before, seen))
            before = seen


def scoring(score: Score) -> Callable[[list[PrefetchedFrame]], ScoredBatch[Picture]]:
    """Wrap a `Score` so that it maps frames, tells its time, and is held to what it promises."""

    def call(pictures: Pictures, moments: FramePositions) -> list[Picture]:
        scored = score(pictures, moments)
        if scored.shape != pictures.shape or scored.dtype != np.uint8:
            raise InternalError(
                f"The scorer made {scored.dtype} {scored.shape} of uint8 {pictures.shape}",
                "A scorer must give as many frames of the same size back",
            )
        return list(scored)

    return lambda batch: _forward(batch, call)


def describing(describe: Describe) -> Callable[[list[PrefetchedFrame]], ScoredBatch[Record]]:
    """Wrap a `Describe` as `scoring` wraps a `Score`."""

    def call(pictures: Pictures, moments: FramePositions) -> list[Record]:
        records = describe(pictures, moments)
        if len(records) != len(pictures):
            raise InternalError(
                f"The scorer made {len(records)} records of {len(pictures)} frames",
                "A scorer must give one record for each frame",
            )
        return records

    return lambda batch: _forward(batch, call)


def _forward(batch: list[PrefetchedFrame], call: Callable[[Pictures, FramePositions], list[R]]) -> ScoredBatch[R]:
    # One frame is a batch without a copy.
    pictures = (
        batch[0].decoded.working_picture[None]
        if len(batch) == 1
        else np.stack([frame.decoded.working_picture for frame in batch])
    )
    start = time.perf_counter()
    try:
        results = call(pictures, tuple(frame.decoded.position for frame in batch))
    except PictureError as error:
        name = batch[error.position].decoded.name
        what = f"Frame {name} can't be scored: {error.what}"
        raise error.fault(what, error.remedy, next_step=error.next_step) from error
    return ScoredBatch(batch, results, start, time.perf_counter())


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Call, and give the result with the milliseconds it took."""
    start = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - start) * 1e3
