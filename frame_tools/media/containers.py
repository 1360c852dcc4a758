"""Open video files safely.

Files are opened by us and handed to ffmpeg as file objects, with a list of allowed formats: a "video" that is really
a playlist could otherwise make ffmpeg open other files or addresses.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final, Protocol

import av
from av.container import InputContainer

from frame_tools.contracts.errors import InputError, MissingError

_FORMATS: Final = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,asf,mxf,h264,hevc,m4v,mpegvideo,ivf,dv,gif,nut"
)
_INPUT_OPTIONS: Final = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}


class ByteSource(Protocol):
    """A seekable file object to read from, like `io.BytesIO`."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most `size` bytes; none at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


REMEDY: Final = "Check that the file plays in a video player; if it does, convert it to MP4 (H.264) and try again."


@contextmanager
def opened(file: Path | ByteSource, *, name: str | None = None) -> Iterator[InputContainer]:
    """Open a container for reading from its beginning; `name` is what messages call it.

    Raises MissingError if there is no such file, InputError if it is nothing that ffmpeg reads.
    """
    if isinstance(file, Path):
        with _file(file) as stream, opened(stream, name=name or file.name) as container:
            yield container
        return
    file.seek(0)
    try:
        container = av.open(file, "r", container_options=_INPUT_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        raise InputError(f"{name or 'The file'} can't be read as a video ({error.strerror})", REMEDY) from error
    with container:
        yield container


def _file(path: Path) -> BufferedReader:
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} can't be read as a video (it is empty)", REMEDY)
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingError(f"There is no file {path}", "Check the name.") from error
