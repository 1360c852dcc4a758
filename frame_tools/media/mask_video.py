"""Random access to a video of masks: upright grayscale images from any frame on, decoded from the previous keyframe.

Masks are treated as the frames of the video they belong to: cropped, turned and deinterlaced alike. HDR is refused.

A split reads a video once from its beginning; each task needs a few masks from the middle. So the packets are listed
first, without decoding: a frame's number is the rank of its timestamp. Where there is no index to seek by, or where
packets may not be frames (VP8 hides some), all earlier frames are decoded and counted instead.
A damaged or truncated video is an error, never a shorter video.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final
from weakref import finalize

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_values import MAX_FRAMES
from frame_tools.media import probe
from frame_tools.media.animated_webp import temporary_copy
from frame_tools.media.containers import UNREADABLE_REMEDY, ByteSource, open_input
from frame_tools.media.deinterlace import Deinterlacer
from frame_tools.media.frame_decoder import is_repetition, open_decoder
from frame_tools.media.image_header import MAX_PIXELS
from frame_tools.media.mask_converter import MaskConverter
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_limits import VideoLimits

_INDEXED_FORMATS: Final = ("mov", "matroska")
_HIDDEN_FRAME_CODECS: Final = frozenset({"vp8"})
_SDR_REMEDY: Final = "Convert it to SDR (BT.709) first."


@dataclass(frozen=True, slots=True)
class _Packet:
    """Timing and flags of a packet; times in ticks of the stream."""

    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class _Index:
    """The frame number of each timestamp, and the timestamps of keyframes in increasing order."""

    frames: dict[int, int]
    keyframes: tuple[int, ...]

    def number(self, pts: int | None) -> int:
        """Return a frame's number, or -1 if its timestamp is not in the index."""
        return -1 if pts is None else self.frames.get(pts, -1)


class MaskVideo:
    """A video of masks; messages call it `name`. Supports one reader at a time.

    Raises InputError if the video can't be read, is truncated, or has frames of more than 64 megapixels.
    """

    def __init__(self, file: Path | ByteSource, *, name: str) -> None:
        copy = temporary_copy(file, VideoLimits(pixels=MAX_PIXELS), name=name)
        if copy is not None:
            finalize(self, copy.close)
        self._file = file if copy is None else copy
        self._name = name
        self._is_interlaced: bool | None = None
        with open_input(self._file, name=name) as container:
            stream = self._stream(container)
            packets = self._packets(container, stream)
            codec = stream.codec_context.name
            is_indexed = container.format.name.startswith(_INDEXED_FORMATS) and codec not in _HIDDEN_FRAME_CODECS
        self._index = _build_index(packets) if is_indexed else None

    def images(self, start: int) -> Iterator[Image.Image]:
        """Yield the frames from frame `start` (counted from 0) on as images of mode L; none after the end.

        White is 255 and black 0, whatever the video's range. Raises InputError if the video is damaged.
        """
        expected = start
        # The first of several interlaced frames is deinterlaced like the others if the one before it is known.
        lead = min(start, 1) if start and self._begins_interlaced() else 0
        with open_input(self._file, name=self._name) as container:
            stream = self._stream(container)
            converter = MaskConverter(stream, read_track_header(self._file, container, stream))
            for number, frame in _deinterlaced(self._decode_from(container, stream, start - lead)):
                if number < start:
                    continue
                if number != expected:
                    raise self._damaged(f"frame {expected} is missing")
                yield converter.convert(frame)
                expected += 1
        if self._index is not None and start < len(self._index.frames) != expected:
            raise self._damaged(f"frame {expected} is missing")

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = probe.select_video_stream(container, self._name, self._file)
        header = read_track_header(self._file, container, stream)
        probe.check_track(stream, header, name=f"The mask {self._name}", hdr="refuse", remedy=_SDR_REMEDY)
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > MAX_PIXELS:
            raise InputError(
                f"The frames of {self._name} have {width}x{height} pixels",
                f"Scale the video so that a frame has at most {MAX_PIXELS} pixels.",
            )
        return stream

    def _packets(self, container: InputContainer, stream: VideoStream) -> list[_Packet]:
        """List the packets without decoding them; raises InputError if the file is truncated."""
        packets: list[_Packet] = []
        try:
            for packet in container.demux(stream):
                if packet.size:
                    is_shown = not packet.is_discard
                    packets.append(_Packet(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, is_shown))
                if len(packets) > MAX_FRAMES:
                    raise InputError(f"{self._name} has more than {MAX_FRAMES} frames", "Cut it into shorter videos.")
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error
        if not packets:
            raise InputError(f"{self._name} contains no frames", UNREADABLE_REMEDY)
        end = _end_seconds(packets, stream)
        truncation = probe.describe_truncation(container, stream, packets=len(packets), end=end)
        if truncation:
            raise self._damaged(truncation)
        return packets

    def _decode_from(
        self, container: InputContainer, stream: VideoStream, start: int
    ) -> Iterator[tuple[int, VideoFrame]]:
        """Yield (number, frame) in presentation order, beginning at `start` or later."""
        size = stream.codec_context.width, stream.codec_context.height
        index = self._index
        try:
            if index is not None:
                _seek(container, stream, index, start)
            for counted, frame in enumerate(_decoded(container, stream)):
                number = counted if index is None else index.number(frame.pts)
                if number < start:
                    continue
                if frame.is_corrupt or (frame.width, frame.height) != size:
                    raise self._damaged(f"frame {number} is incomplete or has another size")
                yield number, frame
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error

    def _begins_interlaced(self) -> bool:
        """Return whether the first frame is interlaced; False if it can't be decoded, which its reader reports."""
        if self._is_interlaced is None:
            with open_input(self._file, name=self._name) as container, suppress(InputError):
                frames = self._decode_from(container, self._stream(container), 0)
                self._is_interlaced = any(frame.interlaced_frame for _, frame in islice(frames, 1))
        return bool(self._is_interlaced)

    def _damaged(self, reason: str) -> InputError:
        return InputError(f"{self._name} is damaged ({reason})", UNREADABLE_REMEDY)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames, with their transparency."""
    decoder = open_decoder(stream, drops_no_frame=False)
    for packet in container.demux(stream):
        if not is_repetition(packet):
            yield from decoder.decode(packet)


def _deinterlaced(frames: Iterator[tuple[int, VideoFrame]]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield (number, frame) with interlaced frames made progressive."""
    deinterlacer, waiting = Deinterlacer(), deque[int]()
    for number, frame in frames:
        waiting.append(number)
        for progressive in deinterlacer.add(frame):
            yield waiting.popleft(), progressive
    for progressive in deinterlacer.finish():
        yield waiting.popleft(), progressive


def _end_seconds(packets: Sequence[_Packet], stream: VideoStream) -> Fraction:
    """Return when the last frame ends, in seconds, according to the packets."""
    times = [packet.dts if packet.pts is None else packet.pts for packet in packets]
    ends = [time + packet.duration for time, packet in zip(times, packets, strict=True) if time is not None]
    return max(ends, default=0) * Fraction(stream.time_base or 0)


def _build_index(packets: Sequence[_Packet]) -> _Index | None:
    """Number the shown packets by their timestamps; None if a timestamp is missing or not unique."""
    stamps = {packet.pts for packet in packets if packet.is_shown and packet.pts is not None}
    if len(stamps) != sum(packet.is_shown for packet in packets):
        return None
    frames = {pts: number for number, pts in enumerate(sorted(stamps))}
    return _Index(frames, tuple(sorted(packet.pts for packet in packets if packet.is_key and packet.pts in frames)))


def _seek(container: InputContainer, stream: VideoStream, index: _Index, start: int) -> None:
    """Seek to the last keyframe at or before frame `start`; stay at the beginning if there is none."""
    earlier = [pts for pts in index.keyframes if index.frames[pts] <= start]
    if earlier:
        container.seek(earlier[-1], stream=stream, backward=True)
