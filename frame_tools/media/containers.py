"""Safe opening of video files.

We open files ourselves and pass them to FFmpeg as file objects, with an allow-list of formats: a "video" that is in
fact a playlist could otherwise make FFmpeg open other files or network addresses.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

import av
from av.container import InputContainer

from frame_tools.contracts.errors import InputError, MissingError

_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mxf,h264,hevc,m4v,mpegvideo,ivf,dv,gif,nut,"
    "apng,yuv4mpegpipe,rm,wtv"
)
_INPUT_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
UNREADABLE_REMEDY: Final = (
    "Check that the file plays in a video player; if it does, convert it to MP4 (H.264) and try again."
)


class ByteSource(Protocol):
    """A seekable binary file object to read from, such as `io.BytesIO`."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes; return no bytes at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


@contextmanager
def open_input(file: Path | ByteSource, *, name: str | None = None) -> Iterator[InputContainer]:
    """Open a container for reading from its beginning; messages call it `name`.

    Raises MissingError if the file does not exist, InputError if FFmpeg can't read it.
    """
    if isinstance(file, Path):
        with _open_file(file) as stream, open_input(stream, name=name or file.name) as container:
            yield container
        return
    file.seek(0)
    try:
        container = av.open(file, "r", container_options=_INPUT_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        raise InputError(
            f"{name or 'The file'} can't be read as a video ({error.strerror})", UNREADABLE_REMEDY
        ) from error
    with container:
        yield container


def check_regular(path: Path, status: os.stat_result) -> None:
    """Raise InputError for a folder, a device or a pipe, which may have no end."""
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path.name} is not a regular file", "Give the path of a video file.")


def _open_file(path: Path) -> BufferedReader:
    """Open a file; raises MissingError if it does not exist, InputError if it is empty, a device or a pipe."""
    try:
        status = path.stat()
        check_regular(path, status)
        if status.st_size == 0:
            raise InputError(f"{path.name} can't be read as a video (it is empty)", UNREADABLE_REMEDY)
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingError(f"The file {path} does not exist", "Check the path.") from error
