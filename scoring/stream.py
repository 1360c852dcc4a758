"""Frames through a scorer with everything overlapped: read and decode, score, encode and write, feed the segment.

The calling thread hands frames from stage to stage; each stage has threads of its own, and those beside the scorer run
at a lower priority. Order is the source's wherever it shows, and only so many frames are in memory at once, however
long the batch.
This module knows neither storage nor networks: what reads, scores and writes is handed in.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from frame_tools.errors import InternalError
from scoring.frames import decode, encode_jpeg
from scoring.protocol import Picture, PictureError, Score
from scoring.threads import Threads

Stored = TypeVar("Stored")
T = TypeVar("T")

Source = Iterable[tuple[int, str, Callable[[], bytes]]]
"""For each frame in order: its index, its name, and what reads the encoded picture."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many threads read and write, and how many frames may wait before and behind the scorer.

    The threads mostly wait for storage, so there may be more of them than cores.
    """

    readers: int = 4
    writers: int = 4
    waiting: int = 8


DEFAULT_WORKERS = Workers()

FORWARDS_AT_ONCE = 2
"""While one is computed the next already waits, so that the device never does."""


@dataclass(frozen=True, kw_only=True)
class FrameRecord(Generic[Stored]):
    """What became of one frame, and where its time went: milliseconds of wall clock; the stages overlap."""

    index: int
    name: str
    load_ms: float
    """Read and decode."""
    infer_ms: float
    """Score: the frame's share of the time that its forward added."""
    save_ms: float
    """Encode and write."""
    segment_ms: float
    """Encode into the segment; 0 if there is none."""
    stored: Stored
    """What the sink gave back."""


@dataclass(frozen=True)
class Outlets(Generic[Stored]):
    """Where scored frames go."""

    sink: Callable[[int, str, bytes], Stored]
    """Writes one encoded frame (index, name, bytes); called on several threads at once."""
    encode: Callable[[Picture], bytes] = encode_jpeg
    """Encodes a frame for the sink; called where the sink is."""
    segment: Callable[[Picture], None] | None = None
    """Takes each frame for the segment, in order, on one thread."""
    on_frame: Callable[[FrameRecord[Stored]], None] | None = None
    """Told of each frame, in order, on the calling thread, once the frame is stored and in the segment."""


def run(
    source: Source,
    score: Score,
    outlets: Outlets[Stored],
    *,
    frames_per_forward: int = 1,
    workers: Workers = DEFAULT_WORKERS,
) -> tuple[Stored, ...]:
    """Score all frames of `source`, up to `frames_per_forward` of one size at once.

    `score` is called on two threads. Gives what the sink returned for each frame, in order. The first error anywhere
    stops everything and is raised here as soon as the calls under way have returned; no thread is left. To cancel,
    raise from `source` or `on_frame`.
    """
    with Threads() as threads:
        ahead = workers.waiting + frames_per_forward
        loaded = _loaded(source, threads, threads.pool("read", workers.readers), ahead=ahead)
        pool = threads.pool("score", FORWARDS_AT_ONCE, first=True)
        behind = _Behind(outlets, threads, threads.pool("write", workers.writers), limit=workers.waiting)
        forwards: deque[Future[_Scored]] = deque()
        for batch in _batches(loaded, frames_per_forward):
            forwards.append(threads.submit(pool, _scored, batch, score))
            if len(forwards) == FORWARDS_AT_ONCE:
                behind.add(threads.result(forwards.popleft()))
        while forwards:
            behind.add(threads.result(forwards.popleft()))
        return behind.finish()


@dataclass(frozen=True)
class _Loaded:
    index: int
    name: str
    picture: Picture
    load_ms: float


def _load(index: int, name: str, fetch: Callable[[], bytes]) -> _Loaded:
    picture, load_ms = _timed(lambda: decode(fetch(), name))
    return _Loaded(index, name, picture, load_ms)


def _loaded(source: Source, threads: Threads, pool: ThreadPoolExecutor, *, ahead: int) -> Iterator[_Loaded]:
    """Yield the decoded frames in order, with up to `ahead` of them under way or waiting."""
    pending: deque[Future[_Loaded]] = deque()
    for index, name, fetch in source:
        pending.append(threads.submit(pool, _load, index, name, fetch))
        if len(pending) >= ahead:
            yield threads.result(pending.popleft())
    while pending:
        yield threads.result(pending.popleft())


def _batches(loaded: Iterable[_Loaded], size: int) -> Iterator[list[_Loaded]]:
    """Group frames in order, up to `size` of equal height and width."""
    batch: list[_Loaded] = []
    for frame in loaded:
        if batch and frame.picture.shape != batch[0].picture.shape:
            yield batch
            batch = []
        batch.append(frame)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(frozen=True)
class _Scored:
    batch: list[_Loaded]
    pictures: list[Picture]
    start: float
    end: float


def _scored(batch: list[_Loaded], score: Score) -> _Scored:
    """Score a batch; `start` and `end` are in seconds of the performance counter."""
    # One frame is a batch without a copy.
    pictures = batch[0].picture[None] if len(batch) == 1 else np.stack([frame.picture for frame in batch])
    start = time.perf_counter()
    try:
        scored = score(pictures)
    except PictureError as error:
        name = batch[error.position].name
        raise error.fault(f"Frame {name} can't be scored: {error.what}", error.remedy) from error
    if scored.shape != pictures.shape or scored.dtype != np.uint8:
        raise InternalError(
            f"The scorer made {scored.dtype} {scored.shape} of uint8 {pictures.shape}",
            "A scorer must give as many frames of the same size back",
        )
    return _Scored(batch, list(scored), start, time.perf_counter())


@dataclass(frozen=True)
class _Leaving(Generic[Stored]):
    """A scored frame on its way out."""

    frame: _Loaded
    infer_ms: float
    saved: Future[tuple[Stored, float]]
    joined: Future[tuple[None, float]] | None


class _Behind(Generic[Stored]):
    """The frames behind the scorer: at most `limit` are on their way out, the oldest is waited for first."""

    def __init__(self, outlets: Outlets[Stored], threads: Threads, writing: ThreadPoolExecutor, *, limit: int) -> None:
        self._outlets = outlets
        self._threads = threads
        self._writing = writing
        self._joining = threads.pool("segment", 1)
        self._limit = limit
        self._leaving: deque[_Leaving[Stored]] = deque()
        self._stored: list[Stored] = []
        self._scored_until = 0.0

    def add(self, scored: _Scored) -> None:
        """Send a scored batch on its way, when there is room."""
        added = scored.end - max(scored.start, self._scored_until)
        self._scored_until = scored.end
        infer_ms = max(0.0, added) * 1e3 / len(scored.batch)
        for frame, picture in zip(scored.batch, scored.pictures, strict=True):
            while len(self._leaving) >= self._limit:
                self._let_go()
            self._leaving.append(self._send(frame, picture, infer_ms))

    def finish(self) -> tuple[Stored, ...]:
        """Wait for all frames; give what the sink returned for each."""
        while self._leaving:
            self._let_go()
        return tuple(self._stored)

    def _send(self, frame: _Loaded, picture: Picture, infer_ms: float) -> _Leaving[Stored]:
        outlets, submit = self._outlets, self._threads.submit
        segment = outlets.segment

        def save() -> Stored:
            return outlets.sink(frame.index, frame.name, outlets.encode(picture))

        joined = None if segment is None else submit(self._joining, _timed, lambda: segment(picture))
        return _Leaving(frame, infer_ms, submit(self._writing, _timed, save), joined)

    def _let_go(self) -> None:
        """Wait for the oldest frame and tell of it."""
        leaving = self._leaving.popleft()
        stored, save_ms = self._threads.result(leaving.saved)
        segment_ms = 0.0 if leaving.joined is None else self._threads.result(leaving.joined)[1]
        self._stored.append(stored)
        if self._outlets.on_frame is not None:
            record = FrameRecord(
                index=leaving.frame.index,
                name=leaving.frame.name,
                load_ms=leaving.frame.load_ms,
                infer_ms=leaving.infer_ms,
                save_ms=save_ms,
                segment_ms=segment_ms,
                stored=stored,
            )
            self._outlets.on_frame(record)


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    """Call, and give the result with the milliseconds it took."""
    start = time.perf_counter()
    result = call()
    return result, (time.perf_counter() - start) * 1e3
