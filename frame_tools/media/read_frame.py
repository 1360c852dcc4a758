"""Frames of a video that are converted to images when they are needed, on any thread, or ahead on several."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image

from frame_tools.media.frame_converter import FrameConverter, Pixels
from frame_tools.media.frame_decoder import FrameInfo

_MAX_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """A decoded frame in the form of the file, and how it is converted; thread-safe.

    `info` is that of the frame in its place; a damaged one may show the picture of the frame before. `lock` belongs to
    the picture: PyAV changes its color tags while it converts it, so one thread at a time may do so.
    """

    frame: VideoFrame
    converter: FrameConverter
    info: FrameInfo
    lock: Lock

    def image(self) -> Image.Image:
        """Convert the frame to an upright RGB image."""
        with self.lock:
            return self.converter.to_image(self.frame)

    def pixels(self) -> Pixels:
        """Convert the frame to the pixels of the same image."""
        with self.lock:
            return self.converter.to_pixels(self.frame)


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image of a video, and what is known of its frame."""

    image: Image.Image
    info: FrameInfo


def converted(frames: Iterable[ReadFrame]) -> Iterator[ReadImage]:
    """Yield the images of frames in order, while later ones are converted on several threads; memory is bounded.

    Raises what the frames raise, and leaves no thread behind.
    """
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    pending: deque[tuple[FrameInfo, Future[Image.Image]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="convert")
    try:
        for frame in frames:
            pending.append((frame.info, pool.submit(frame.image)))
            if len(pending) > threads:
                yield _first_of(pending)
        while pending:
            yield _first_of(pending)
    finally:
        pool.shutdown(cancel_futures=True)


def _first_of(pending: "deque[tuple[FrameInfo, Future[Image.Image]]]") -> ReadImage:
    info, image = pending.popleft()
    return ReadImage(image.result(), info)
