"""First half of the frame pipeline: read, decode, downscale, estimate motion, and score in batches."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from frame_tools.contracts.errors import InternalError
from scoring.image_codec import DecodedPicture
from scoring.pipeline.types import Source, SourceFrame, Stages, Workers
from scoring.thread_pools import PoolGroup
from scoring.types import (
    DecodedFrame,
    Describe,
    FramePositions,
    Picture,
    PictureError,
    Pictures,
    Record,
    Score,
    scaled_shape,
)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class PrefetchedFrame:
    """A decoded frame that waits for the scorer; `motion` is its motion from the previous frame."""

    decoded: DecodedFrame
    delivered: bool
    load_ms: float
    part: int = 0
    motion: Future[Any] | None = None


@dataclass(frozen=True)
class ScoredBatch(Generic[R]):
    """A batch of frames with one result each; `start` and `end` are seconds of time.perf_counter()."""

    frames: list[PrefetchedFrame]
    results: list[R]
    start: float
    end: float
    ms_per_frame: float = 0.0
    """Time that the batch added to that of the batches before it, divided by its number of frames."""

    def with_frame_time(self, previous_end: float) -> "ScoredBatch[R]":
        """Return a copy with `ms_per_frame`; the previous batch ended at `previous_end`."""
        added = max(0.0, self.end - max(self.start, previous_end))
        return replace(self, ms_per_frame=added * 1e3 / len(self.frames))


class Prefetcher:
    """Reads frames ahead of the scorer on several threads, up to a bounded number."""

    def __init__(self, stages: Stages[Any], pools: PoolGroup, workers: Workers, *, frames_per_forward: int) -> None:
        self._stages = stages
        self._pools = pools
        self._readers = pools.start_pool("read", workers.readers)
        self._batch_size = frames_per_forward
        self._max_ahead = workers.waiting + frames_per_forward

    def batches(self, source: Source) -> Iterator[list[PrefetchedFrame]]:
        """Yield frames in order, in batches of up to `frames_per_forward` frames of equal size and of one part."""
        batch: list[PrefetchedFrame] = []
        for frame in self._with_motion(self._loaded(source)):
            if batch and not _belong_together(batch[0], frame):
                yield batch
                batch = []
            batch.append(frame)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _loaded(self, source: Source) -> Iterator[PrefetchedFrame]:
        """Yield the decoded frames in order while later ones are being read."""
        pending: deque[Future[PrefetchedFrame]] = deque()
        for frame in source:
            pending.append(self._pools.submit(self._readers, self._load, frame))
            if len(pending) >= self._max_ahead:
                yield self._pools.result(pending.popleft())
        while pending:
            yield self._pools.result(pending.popleft())

    def _load(self, frame: SourceFrame) -> PrefetchedFrame:
        def load() -> DecodedFrame:
            fetched = frame.fetch()
            decoded = fetched if isinstance(fetched, DecodedPicture) else self._stages.decode(fetched, frame.name)
            downscale = self._stages.downscale
            return DecodedFrame(
                position=frame.position,
                name=frame.name,
                picture=decoded.picture,
                alpha=decoded.alpha,
                working_picture=decoded.picture if downscale is None else downscale(decoded.picture),
            )

        decoded_frame, load_ms = timed(load)
        return PrefetchedFrame(decoded_frame, frame.delivered, load_ms, frame.part)

    def _with_motion(self, frames: Iterable[PrefetchedFrame]) -> Iterator[PrefetchedFrame]:
        """Start the motion estimation of each frame from the previous one, if both have the same size."""
        previous: DecodedFrame | None = None
        for frame in frames:
            current, estimate = frame.decoded, self._stages.estimate_motion
            if estimate is None or previous is None or previous.working_picture.shape != current.working_picture.shape:
                yield frame
            else:
                yield replace(frame, motion=self._pools.submit(self._readers, estimate, previous, current))
            previous = current


def _belong_together(first: PrefetchedFrame, frame: PrefetchedFrame) -> bool:
    """Return whether two frames may be scored in one call."""
    return (first.part, first.decoded.working_picture.shape) == (frame.part, frame.decoded.working_picture.shape)


def scoring(score: Score, *, scale: int = 1) -> Callable[[list[PrefetchedFrame]], ScoredBatch[Picture]]:
    """Wrap a `Score` so that it takes a batch of frames, is timed, and its result is checked."""

    def call(pictures: Pictures, positions: FramePositions) -> list[Picture]:
        scored = score(pictures, positions)
        if scored.shape != scaled_shape(pictures, scale) or scored.dtype != np.uint8:
            raise InternalError(
                f"The scorer returned {scored.dtype} {scored.shape} for uint8 {pictures.shape}",
                f"A scorer of scale {scale} must return the same number of frames at {scale} times the size",
            )
        return list(scored)

    return lambda batch: _score_batch(batch, call)


def describing(describe: Describe) -> Callable[[list[PrefetchedFrame]], ScoredBatch[Record]]:
    """Wrap a `Describe` as `scoring` wraps a `Score`."""

    def call(pictures: Pictures, positions: FramePositions) -> list[Record]:
        records = describe(pictures, positions)
        if len(records) != len(pictures):
            raise InternalError(
                f"The scorer returned {len(records)} records for {len(pictures)} frames",
                "A scorer must return one record for each frame",
            )
        return records

    return lambda batch: _score_batch(batch, call)


def _score_batch(batch: list[PrefetchedFrame], call: Callable[[Pictures, FramePositions], list[R]]) -> ScoredBatch[R]:
    working_pictures = [frame.decoded.working_picture for frame in batch]
    # A single frame needs no copy.
    pictures = working_pictures[0][None] if len(batch) == 1 else np.stack(working_pictures)
    start = time.perf_counter()
    try:
        results = call(pictures, tuple(frame.decoded.position for frame in batch))
    except PictureError as error:
        name = batch[error.position].decoded.name
        raise error.fault(
            f"Frame {name} cannot be scored: {error.what}", error.remedy, next_step=error.next_step
        ) from error
    return ScoredBatch(batch, results, start, time.perf_counter())


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Call `call` and return its result and the elapsed milliseconds."""
    start = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - start) * 1e3
