"""Multithreaded writing of frames as image files: bounded memory, atomic files, errors raised by the next call."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from PIL import Image

from frame_tools.media.files import write_atomically
from frame_tools.media.images import encode_jpeg, encode_png
from frame_tools.write_pool import WritePool

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
        self._pool = WritePool(min(_MAX_THREADS, os.cpu_count() or 1), "frames")

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def write(self, image: Image.Image, name: str) -> None:
        """Queue `image` to be written under `name`; blocks while too many images are queued."""
        self._pool.submit(partial(self._write, image, name))

    def _write(self, image: Image.Image, name: str) -> None:
        path = self._folder / name
        write_atomically(path, self._encode(image))
        if self._on_written is not None:
            self._on_written(path)
