"""Multithreaded writing of frames as image files: bounded memory, atomic files, errors raised by the next call."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from PIL import Image

from frame_tools.media.files import write_atomically
from frame_tools.media.images import encode_jpeg, encode_png

ENCODERS: Final[dict[str, Callable[[Image.Image], bytes]]] = {"jpg": encode_jpeg, "png": encode_png}
_MAX_THREADS: Final = 8


class FrameWriter:
    """Writes images into `folder`; leaving the `with` block waits for all of them.

    `on_written` is called with each complete file, on one of several threads, which it holds up.
    """

    def __init__(self, folder: Path, image_format: str, on_written: Callable[[Path], None] | None = None) -> None:
        self._folder = folder
        self._on_written = on_written
        self._encode = ENCODERS[image_format]
        threads = min(_MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frames")
        self._pending: deque[Future[None]] = deque()
        self._max_pending = 2 * threads

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._pending:
                future.result()

    def write(self, image: Image.Image, name: str) -> None:
        """Queue `image` to be written under `name`; blocks while too many images are queued."""
        if len(self._pending) >= self._max_pending:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, image, name))

    def _write(self, image: Image.Image, name: str) -> None:
        path = self._folder / name
        write_atomically(path, self._encode(image))
        if self._on_written is not None:
            self._on_written(path)
