"""Animated WebP files as videos: FFmpeg can't decode them, so Pillow does, into a lossless QuickTime file."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from frame_tools.contracts.errors import InputError
from frame_tools.media.containers import UNREADABLE_REMEDY
from frame_tools.media.images import DECODE_ERRORS
from frame_tools.media.video_limits import VideoLimits

_HEADER_BYTES: Final = 21
_RIFF: Final = b"RIFF"
_EXTENDED_WEBP: Final = b"WEBPVP8X"
_FLAGS: Final = 20
_ANIMATION_FLAG: Final = 2
_MILLISECOND: Final = Fraction(1, 1000)
# Browsers show frames with shorter durations for 100 ms, as those of GIF.
_SHORTEST_MS: Final = 11
_DEFAULT_MS: Final = 100


@contextmanager
def decodable_file(video: Path, limits: VideoLimits) -> Iterator[Path]:
    """Yield a file of the same name that FFmpeg can decode: `video` itself, unless it is an animated WebP.

    Raises InputError if that is damaged or exceeds the limits.
    """
    if not _is_animated(video):
        yield video
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / video.name
        try:
            with Image.open(video, formats=("WEBP",)) as animation:
                _write_copy(cast("WebPImageFile", animation), copy, limits)
        except DECODE_ERRORS as error:
            raise InputError(f"{video.name} is damaged ({error})", UNREADABLE_REMEDY) from error
        yield copy


def _is_animated(video: Path) -> bool:
    """Return whether the header is that of an animated WebP (RFC 9649, section 2.7)."""
    with video.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    is_extended = header.startswith(_RIFF) and header[8:16] == _EXTENDED_WEBP
    return is_extended and bool(header[_FLAGS] & _ANIMATION_FLAG)


def _write_copy(animation: WebPImageFile, copy: Path, limits: VideoLimits) -> None:
    limits.check_size(copy.name, *animation.size)
    with av.open(str(copy), "w", format="mov") as output:
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
