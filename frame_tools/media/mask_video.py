"""Read a video of masks from any frame on: upright grey pictures, decoded from the key frame before.

Splitting reads a video once from its beginning; each task needs a few masks out of the middle. So the packets are
listed first, without decoding: a frame's place is that of its time stamp among all. Where there is no index to seek by,
or packets may not be frames (VP8 hides some), everything before is decoded and counted instead.
A damaged or cut-off video is an error, never a shorter one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import MAX_FRAMES
from frame_tools.media import probe
from frame_tools.media.color import SCALING, conversion
from frame_tools.media.containers import REMEDY, ByteSource, opened
from frame_tools.media.images import MAX_PIXELS
from frame_tools.media.orientation import UPRIGHT, Orientation, orientation_of

_INDEXED: Final = ("mov", "matroska")
_HIDES_FRAMES: Final = frozenset({"vp8"})


@dataclass(frozen=True, slots=True)
class _Packet:
    """What is kept of a packet; times in ticks of the stream."""

    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """For each time stamp its frame, and the time stamps of key frames, rising."""

    frames: dict[int, int]
    keys: tuple[int, ...]

    def number(self, pts: int | None) -> int:
        """Return a frame's number, -1 for one that was not listed."""
        return -1 if pts is None else self.frames.get(pts, -1)


class MaskVideo:
    """A video of masks; `name` is what messages call it. One reading at a time.

    Raises InputError if it is no video that we read, is cut off, or shows more than 64 megapixels.
    """

    def __init__(self, file: Path | ByteSource, *, name: str) -> None:
        self._file = file
        self._name = name
        with opened(file, name=name) as container:
            stream = self._stream(container)
            packets = self._packets(container, stream)
            timed = container.format.name.startswith(_INDEXED) and stream.codec_context.name not in _HIDES_FRAMES
        self._index = _index_of(packets) if timed else None

    def images(self, start: int) -> Iterator[Image.Image]:
        """Yield the frames from the frame `start` on, counted from 0, as pictures of mode L; none after the end.

        White is 255 and black 0, whatever the video's range. Raises InputError where the video is damaged.
        """
        due = start
        with opened(self._file, name=self._name) as container:
            stream = self._stream(container)
            grey = _Grey(stream)
            for number, frame in self._numbered(container, stream, start):
                if number != due:
                    raise self._damaged(f"frame {due} is missing")
                yield grey.image(frame)
                due += 1
        if self._index is not None and start < len(self._index.frames) != due:
            raise self._damaged(f"frame {due} is missing")

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = probe.picture_stream(container, self._name)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise InputError(f"{self._name} shows {width}x{height} pixels", f"Give at most {MAX_PIXELS} pixels.")
        return stream

    def _packets(self, container: InputContainer, stream: VideoStream) -> list[_Packet]:
        """List the packets, without decoding them; InputError if the file is cut off."""
        packets: list[_Packet] = []
        try:
            for packet in container.demux(stream):
                if packet.size:
                    shown = not packet.is_discard
                    packets.append(_Packet(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, shown))
                if len(packets) > MAX_FRAMES:
                    raise InputError(f"{self._name} has over {MAX_FRAMES} frames", "Cut it into shorter videos.")
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error
        if not packets:
            raise InputError(f"{self._name} holds no frames", REMEDY)
        missing = probe.missing_at_end(container, stream, packets=len(packets), end=_end(packets, stream))
        if missing:
            raise self._damaged(missing)
        return packets

    def _numbered(self, container: InputContainer, stream: VideoStream, start: int) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (number, frame) in presentation order, from `start` or some frames before."""
        stream.codec_context.thread_type = "AUTO"
        size = stream.codec_context.width, stream.codec_context.height
        index = self._index
        try:
            if index is not None:
                _seek(container, stream, index, start)
            for counted, frame in enumerate(container.decode(stream)):
                number = counted if index is None else index.number(frame.pts)
                if number < start:
                    continue
                if frame.is_corrupt or (frame.width, frame.height) != size:
                    raise self._damaged(f"frame {number} is incomplete or of another size")
                yield number, frame
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self._name} is damaged ({reason})", REMEDY)


def _end(packets: Sequence[_Packet], stream: VideoStream) -> Fraction:
    """Return when the last frame ends, in seconds, as far as the packets say."""
    times = [packet.dts if packet.pts is None else packet.pts for packet in packets]
    ends = [time + packet.duration for time, packet in zip(times, packets, strict=True) if time is not None]
    return max(ends, default=0) * Fraction(stream.time_base or 0)


def _index_of(packets: Sequence[_Packet]) -> _Index | None:
    """Number the shown packets by their time stamps; None if some have none, or one in common."""
    stamps = {packet.pts for packet in packets if packet.is_shown and packet.pts is not None}
    if len(stamps) != sum(packet.is_shown for packet in packets):
        return None
    frames = {pts: number for number, pts in enumerate(sorted(stamps))}
    return _Index(frames, tuple(sorted(packet.pts for packet in packets if packet.is_key and packet.pts in frames)))


def _seek(container: InputContainer, stream: VideoStream, index: _Index, start: int) -> None:
    """Go to the last key frame that is not after the frame `start`; stay at the beginning if there is none."""
    before = [pts for pts in index.keys if index.frames[pts] <= start]
    if before:
        container.seek(before[-1], stream=stream, backward=True)


class _Grey:
    """Turns decoded frames into upright grey pictures."""

    def __init__(self, stream: VideoStream) -> None:
        self._conversion = conversion(probe.color_of(stream), height=stream.codec_context.height)
        self._reformatter = VideoReformatter()
        self._orientation: Orientation | None = None

    def image(self, frame: VideoFrame) -> Image.Image:
        """Convert a frame; the first one says which way is up."""
        if self._orientation is None:
            self._orientation = orientation_of(frame) or UPRIGHT
        full = frame.format.is_rgb or frame.format.has_palette
        grey = self._reformatter.reformat(
            frame,
            format="gray",
            src_colorspace=self._conversion.matrix,
            src_color_range=ColorRange.JPEG if full else self._conversion.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=1,
        )
        plane = grey.planes[0]
        size = grey.width, grey.height
        image = Image.frombuffer("L", size, bytes(plane), "raw", "L", plane.line_size, 1)
        return self._orientation.upright(image)
