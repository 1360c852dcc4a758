"""Animated WebP files as videos: FFmpeg can't decode them, so Pillow does, into a lossless QuickTime file."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final, cast

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from frame_tools.contracts.errors import InputError
from frame_tools.media.containers import UNREADABLE_REMEDY, ByteSource
from frame_tools.media.images import DECODE_ERRORS
from frame_tools.media.raster_header import is_animated
from frame_tools.media.video_limits import VideoLimits

_HEADER_BYTES: Final = 21
_RIFF: Final = b"RIFF"
_MILLISECOND: Final = Fraction(1, 1000)
# Browsers show frames with shorter durations for 100 ms, as those of GIF.
_SHORTEST_MS: Final = 11
_DEFAULT_MS: Final = 100


@contextmanager
def decodable_file(video: Path, limits: VideoLimits) -> Iterator[Path]:
    """Yield a file of the same name that FFmpeg can decode: `video` itself, unless it is an animated WebP.

    Raises InputError if that is damaged or exceeds the limits.
    """
    with video.open("rb") as file:
        if not _is_animated_webp(file):
            yield video
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / video.name
            with copy.open("wb") as target:
                _convert(file, target, limits, name=video.name)
            yield copy


def temporary_copy(file: Path | ByteSource, limits: VideoLimits, *, name: str) -> BinaryIO | None:
    """Return a temporary file that FFmpeg can decode if `file` is an animated WebP, else None. The caller closes it.

    Raises InputError, which calls the video `name`, as `decodable_file`.
    """
    if isinstance(file, Path):
        if not file.is_file():
            return None
        with file.open("rb") as source:
            return temporary_copy(source, limits, name=name)
    if not _is_animated_webp(file):
        return None
    with ExitStack() as on_error:
        copy = on_error.enter_context(tempfile.TemporaryFile())
        _convert(file, copy, limits, name=name)
        on_error.pop_all()
    return cast("BinaryIO", copy)


def _is_animated_webp(source: ByteSource) -> bool:
    source.seek(0)
    begin = source.read(_HEADER_BYTES)
    source.seek(0)
    return begin.startswith(_RIFF) and is_animated(begin)


def _convert(source: ByteSource, target: BinaryIO, limits: VideoLimits, *, name: str) -> None:
    try:
        with Image.open(cast("BinaryIO", source), formats=("WEBP",)) as animation:
            limits.check_size(name, *animation.size)
            _write_copy(cast("WebPImageFile", animation), target, limits)
    except DECODE_ERRORS as error:
        raise InputError(f"{name} is damaged ({error})", UNREADABLE_REMEDY) from error


def _write_copy(animation: WebPImageFile, target: BinaryIO, limits: VideoLimits) -> None:
    with av.open(target, "w", format="mov") as output:
        stream = output.add_stream("png", rate=1000)
        assert isinstance(stream, VideoStream)  # noqa: S101 - narrows the type
        stream.width, stream.height = animation.size
        stream.pix_fmt = "rgba" if animation.mode == "RGBA" else "rgb24"
        stream.time_base = stream.codec_context.time_base = _MILLISECOND
        start = 0
        for number in range(min(animation.n_frames, limits.frames + 1)):
            animation.seek(number)
            frame = _to_frame(animation)
            frame.pts, frame.time_base = start, _MILLISECOND
            duration = int(animation.info.get("duration", 0))
            duration = duration if duration >= _SHORTEST_MS else _DEFAULT_MS
            for packet in stream.encode(frame):
                packet.duration = duration
                output.mux(packet)
            start += duration
        output.mux(stream.encode(None))


def _to_frame(image: Image.Image) -> VideoFrame:
    """Copy an image of mode RGB or RGBA into a video frame."""
    frame = VideoFrame(image.width, image.height, "rgba" if image.mode == "RGBA" else "rgb24")
    plane, row_bytes, data = frame.planes[0], len(image.getbands()) * image.width, image.tobytes()
    padding = bytes(plane.line_size - row_bytes)
    plane.update(b"".join(data[at : at + row_bytes] + padding for at in range(0, len(data), row_bytes)))
    return frame
