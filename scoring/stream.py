"""Frames through a scorer with everything overlapped: read and decode, score, encode and write, feed the segment.

The calling thread scores; threads around it do the rest, at a lower priority, because a network waits for its slowest
core. Order is the source's wherever it shows, and only so many frames are in memory at once, however long the batch.
This module knows neither storage nor networks: what reads, scores and writes is handed in.
"""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from frame_tools.errors import InternalError
from scoring.frames import decode, encode_jpeg
from scoring.protocol import Picture, PictureError, Score

Stored = TypeVar("Stored")
T = TypeVar("T")
P = ParamSpec("P")

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


@dataclass(frozen=True, kw_only=True)
class FrameRecord(Generic[Stored]):
    """What became of one frame, and where its time went: milliseconds of wall clock; the stages overlap."""

    index: int
    name: str
    load_ms: float
    """Read and decode."""
    infer_ms: float
    """Score: the frame's share of its forward."""
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
    """Told of each frame, in order, on the calling thread, when the frame is stored and in the segment."""


def run(
    source: Source,
    score: Score,
    outlets: Outlets[Stored],
    *,
    frames_per_forward: int = 1,
    workers: Workers = DEFAULT_WORKERS,
) -> tuple[Stored, ...]:
    """Score all frames of `source` on this thread, up to `frames_per_forward` of one size at once.

    Gives what the sink returned for each frame, in order. The first error anywhere stops everything and is raised
    here as soon as the calls under way have returned; no thread is left. To cancel, raise from `source` or `on_frame`.
    """
    with _Threads() as threads:
        loaded = _loaded(source, threads, workers, ahead=workers.waiting + frames_per_forward)
        behind = _Behind(outlets, threads, threads.pool("write", workers.writers), limit=workers.waiting)
        for batch in _batches(loaded, frames_per_forward):
            behind.add(batch, *_scored(batch, score))
        return behind.finish()


class _Threads:
    """Thread pools that end together, and one place where the first error of any of their calls is seen."""

    def __init__(self) -> None:
        self._pools: list[ThreadPoolExecutor] = []
        self._failure: Future[None] = Future()

    def __enter__(self) -> "_Threads":
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools:
            pool.shutdown(wait=True)

    def pool(self, name: str, size: int) -> ThreadPoolExecutor:
        """Start a pool whose threads step back for the scorer."""
        pool = ThreadPoolExecutor(size, f"stream-{name}", initializer=_step_back)
        self._pools.append(pool)
        return pool

    def submit(self, pool: ThreadPoolExecutor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `call` done by `pool`."""
        future = pool.submit(call, *args, **kwargs)
        future.add_done_callback(self._note)
        return future

    def result(self, future: Future[T]) -> T:
        """Wait for the result, or raise the first error of any call, whichever comes first."""
        either: tuple[Future[Any], ...] = (future, self._failure)
        wait(either, return_when=FIRST_COMPLETED)
        if self._failure.done():
            self._failure.result()
        return future.result()

    def _note(self, future: "Future[T]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            with suppress(InvalidStateError):  # another call failed first
                self._failure.set_exception(error)


def _step_back() -> None:
    """Lower this thread's priority where threads have their own (Linux): the scorer's threads go first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


@dataclass(frozen=True)
class _Loaded:
    index: int
    name: str
    picture: Picture
    load_ms: float


def _load(index: int, name: str, fetch: Callable[[], bytes]) -> _Loaded:
    picture, load_ms = _timed(lambda: decode(fetch(), name))
    return _Loaded(index, name, picture, load_ms)


def _loaded(source: Source, threads: _Threads, workers: Workers, *, ahead: int) -> Iterator[_Loaded]:
    """Yield the decoded frames in order, with up to `ahead` of them under way or waiting."""
    pool = threads.pool("read", workers.readers)
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


def _scored(batch: list[_Loaded], score: Score) -> tuple[list[Picture], float]:
    """Score a batch; give the pictures, and the milliseconds for each."""
    pictures = np.stack([frame.picture for frame in batch])
    try:
        scored, elapsed = _timed(lambda: score(pictures))
    except PictureError as error:
        name = batch[error.position].name
        raise InternalError(f"Frame {name} can't be scored: {error.what}", error.remedy) from error
    if scored.shape != pictures.shape or scored.dtype != np.uint8:
        raise InternalError(
            f"The scorer made {scored.dtype} {scored.shape} of uint8 {pictures.shape}",
            "A scorer must give as many frames of the same size back",
        )
    return list(scored), elapsed / len(batch)


@dataclass(frozen=True)
class _Leaving(Generic[Stored]):
    """A scored frame on its way out."""

    frame: _Loaded
    infer_ms: float
    saved: Future[tuple[Stored, float]]
    joined: Future[tuple[None, float]] | None


class _Behind(Generic[Stored]):
    """The frames behind the scorer: at most `limit` are on their way out, the oldest is waited for first."""

    def __init__(self, outlets: Outlets[Stored], threads: _Threads, writing: ThreadPoolExecutor, *, limit: int) -> None:
        self._outlets = outlets
        self._threads = threads
        self._writing = writing
        self._joining = threads.pool("segment", 1)
        self._limit = limit
        self._leaving: deque[_Leaving[Stored]] = deque()
        self._stored: list[Stored] = []

    def add(self, batch: list[_Loaded], pictures: list[Picture], infer_ms: float) -> None:
        """Send a scored batch on its way, when there is room."""
        for frame, picture in zip(batch, pictures, strict=True):
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
