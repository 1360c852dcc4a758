"""Writes frames as picture files with several threads: bounded memory, atomic names, errors at the next call."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from PIL import Image

from frame_tools.media import images

ENCODERS: dict[str, Callable[[Image.Image], bytes]] = {"jpg": images.jpeg, "png": images.png}


class FrameWriter:
    """Writes images into `folder`; leaving the `with` block waits for all of them."""

    def __init__(self, folder: Path, image_format: str) -> None:
        self._folder = folder
        self._encode = ENCODERS[image_format]
        threads = min(8, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="frames")
        self._pending: deque[Future[None]] = deque()
        self._most_pending = 2 * threads

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
        """Write `image` under `name`, soon; waits while too many are on the way."""
        if len(self._pending) >= self._most_pending:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, image, name))

    def _write(self, image: Image.Image, name: str) -> None:
        write_atomically(self._folder / name, self._encode(image))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it and rename it."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
