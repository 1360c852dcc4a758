"""The picture of a joined video: the packets of all segments, checked and stamped with the manifest's times.

Segments hold no B-frames, so a packet is decoded when it is shown: dts = pts. Planning decode times for reordered
frames was tried and given up, since with variable rates MP4 files came out that were read wrongly. A constant delay
makes libavformat's muxer take a wrong track start (movenc.c: the smallest pts - dts among packets with dts <= 0); a
delay of one frame gives packets the durations of their neighbours, and its demuxer then drops frames at the end
(mov.c: a key frame that seems to outlast the edit list).
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.containers import ByteSource, opened
from frame_tools.media.segment import coded_size

_REMEDY: Final = "Score this batch again."

VideoPacket: TypeAlias = "Packet[VideoStream]"  # a string: generic in PyAV's stubs only


@dataclass(frozen=True, slots=True)
class Segment:
    """One encoded batch: `name` for messages, how many `frames` it must hold, and the MP4 file itself."""

    name: str
    frames: int
    data: bytes | ByteSource


class VideoTrack:
    """The picture of the result; `first` is the segment that its headers are taken from."""

    def __init__(self, manifest: Manifest, output: OutputContainer, first: Segment) -> None:
        self._manifest = manifest
        self._pts = manifest.frame_pts
        with _picture_of(first) as (_, template):
            self._headers = template.codec_context.extradata
            self._size = template.codec_context.width, template.codec_context.height
            self._stream = output.add_stream_from_template(template, opaque=True)
        allowed = {coded_size(manifest.width, manifest.height, even) for even in ("exact", "pad")}
        if self._size not in allowed:
            found, expected = (f"{width}x{height}" for width, height in (self._size, min(allowed)))
            raise _damaged(first, f"shows {found}, not {expected}")
        self._stream.time_base = manifest.time_base
        self._stream.codec_context.framerate = manifest.rate

    def packets(self, segments: Iterable[Segment]) -> Iterator[tuple[float, VideoPacket]]:
        """Yield (decode time in seconds, packet) over all segments, which hold one another's sequels.

        Raises DamagedError naming the segment that is unreadable, has the wrong number of frames, other headers
        (SPS/PPS) than the first one, or frames out of order; or if there are too few or too many frames.
        """
        manifest = self._manifest
        tick = float(manifest.time_base)
        start = 0
        for segment in segments:
            if start + segment.frames > manifest.frame_count:
                raise _miscounted(f"more than {manifest.frame_count}", manifest)
            for index, packet in enumerate(self._checked_packets(segment), start):
                packet.stream = self._stream
                packet.time_base = manifest.time_base
                packet.pts = packet.dts = self._pts[index]
                packet.duration = self._duration(index)
                yield self._pts[index] * tick, packet
            start += segment.frames
        if start != manifest.frame_count:
            raise _miscounted(str(start), manifest)

    def _duration(self, index: int) -> int:
        """How long a frame is shown, in ticks."""
        following = index + 1
        return self._pts[following] - self._pts[index] if following < len(self._pts) else self._manifest.last_duration

    def _checked_packets(self, segment: Segment) -> list[VideoPacket]:
        """Return all packets of a segment, in order."""
        with _picture_of(segment) as (container, stream):
            if stream.codec_context.extradata != self._headers:
                raise _damaged(segment, "was encoded with other settings than the first (its SPS/PPS differ)")
            try:
                packets = [packet for packet in container.demux(stream) if packet.size]
            except av.FFmpegError as error:
                raise _damaged(segment, f"can't be read to its end ({error.strerror})") from error
        if len(packets) != segment.frames:
            raise _damaged(segment, f"holds {len(packets)} frames, not {segment.frames}")
        if not packets[0].is_keyframe:
            raise _damaged(segment, "does not begin with a key frame")
        stamps = [packet.pts if packet.pts is not None else -1 for packet in packets]
        if any(later <= earlier for earlier, later in pairwise(stamps)):
            raise _damaged(segment, "has frames out of order")
        return packets


@contextmanager
def _picture_of(segment: Segment) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a segment and yield it with its only video stream."""
    data = segment.data
    try:
        with opened(io.BytesIO(data) if isinstance(data, bytes) else data, name=segment.name) as container:
            streams = container.streams.video
            if len(streams) != 1 or streams[0].codec_context.name != "h264":
                raise _damaged(segment, "is not one H.264 stream")
            yield container, streams[0]
    except InputError as error:
        raise _damaged(segment, "is no readable MP4 file") from error


def _damaged(segment: Segment, what: str) -> DamagedError:
    return DamagedError(f"Segment {segment.name} {what}", _REMEDY)


def _miscounted(found: str, manifest: Manifest) -> DamagedError:
    return DamagedError(
        f"The segments hold {found} frames; the manifest has {manifest.frame_count}",
        "Give every batch of the plan once, in order.",
    )
