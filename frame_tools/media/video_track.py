"""Video track of a joined video: the packets of all segments, checked and stamped with the manifest's timestamps.

Segments contain no B-frames, so a packet is decoded when it is shown: dts = pts. We tried to compute decode times for
reordered frames and gave up, because MP4 files with variable rates were then read incorrectly. A constant delay makes
libavformat's muxer write a wrong track start (movenc.c: the smallest pts - dts among packets with dts <= 0). A delay of
one frame gives packets the durations of their neighbors, and the demuxer then drops frames at the end (mov.c: a
keyframe that seems to outlast the edit list).
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.containers import ByteSource, open_input
from frame_tools.media.projection import with_projection
from frame_tools.media.segment import coded_size

_SEGMENT_REMEDY: Final = "Score this batch again."

VideoPacket: TypeAlias = "Packet[VideoStream]"  # a string: generic in PyAV's stubs only


@dataclass(frozen=True, slots=True)
class Segment:
    """One encoded batch: `name` for messages, the number of `frames` it must contain, and the MP4 file."""

    name: str
    frames: int
    data: bytes | ByteSource


class VideoTrack:
    """The video track of the output; its headers are those of the segment `first`."""

    def __init__(self, manifest: Manifest, output: OutputContainer, first: Segment, *, scale: int = 1) -> None:
        self._manifest = manifest
        self._pts = manifest.frame_pts
        with _open_segment(_with_projection(first, manifest)) as (_, template):
            self._headers = template.codec_context.extradata
            self._size = template.codec_context.width, template.codec_context.height
            self._stream = output.add_stream_from_template(template, opaque=True)
        size = manifest.width * scale, manifest.height * scale
        allowed = {coded_size(*size, odd_size) for odd_size in ("exact", "pad")}
        if self._size not in allowed:
            actual, expected = (f"{width}x{height}" for width, height in (self._size, min(allowed)))
            raise _damaged(first, f"has frames of {actual}, not {expected}")
        self._stream.disposition = Disposition.default
        self._stream.time_base = manifest.time_base
        self._stream.codec_context.framerate = manifest.rate

    def packets(self, segments: Iterable[Segment]) -> Iterator[tuple[float, VideoPacket]]:
        """Yield (decode time in seconds, packet) for all segments, which must be consecutive.

        Raises DamagedError, naming the segment, if one is unreadable, has a wrong number of frames, headers (SPS/PPS)
        that differ from the first one's, or frames out of order; and if there are too few or too many frames in all.
        """
        manifest = self._manifest
        tick = float(manifest.time_base)
        start = 0
        for segment in segments:
            if start + segment.frames > manifest.frame_count:
                raise _frame_count_mismatch(f"more than {manifest.frame_count}", manifest)
            for index, packet in enumerate(self._checked_packets(segment), start):
                packet.stream = self._stream
                packet.time_base = manifest.time_base
                packet.pts = packet.dts = self._pts[index]
                packet.duration = self._duration(index)
                yield self._pts[index] * tick, packet
            start += segment.frames
        if start != manifest.frame_count:
            raise _frame_count_mismatch(str(start), manifest)

    def _duration(self, index: int) -> int:
        """Return how long a frame is shown, in ticks."""
        next_index = index + 1
        if next_index == len(self._pts):
            return self._manifest.last_duration
        return self._pts[next_index] - self._pts[index]

    def _checked_packets(self, segment: Segment) -> list[VideoPacket]:
        """Return all packets of a segment, in order; raises DamagedError."""
        with _open_segment(segment) as (container, stream):
            if stream.codec_context.extradata != self._headers:
                raise _damaged(segment, "was encoded with different settings from the first (its SPS/PPS differ)")
            try:
                packets = [packet for packet in container.demux(stream) if packet.size]
            except av.FFmpegError as error:
                raise _damaged(segment, f"can't be read to its end ({error.strerror})") from error
        if len(packets) != segment.frames:
            raise _damaged(segment, f"has {len(packets)} frames, not {segment.frames}")
        if not packets[0].is_keyframe:
            raise _damaged(segment, "does not begin with a keyframe")
        # Frame i is shown at i / rate seconds. Compared in integers, which takes a tenth of the time of fractions.
        ticks, unit = (packets[0].time_base * self._manifest.rate).as_integer_ratio()
        if any(packet.pts is None or packet.pts * ticks != index * unit for index, packet in enumerate(packets)):
            raise _damaged(segment, "has frames out of order: they are not stamped 0, 1, 2, …")
        return packets


def _with_projection(segment: Segment, manifest: Manifest) -> Segment:
    """Return the segment with the manifest's projection, for use as a template."""
    if manifest.projection is None and manifest.stereo is None:
        return segment
    data = segment.data
    if not isinstance(data, bytes):
        data.seek(0)
        data = data.read()
    return replace(segment, data=with_projection(data, manifest.projection, manifest.stereo))


@contextmanager
def _open_segment(segment: Segment) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a segment and yield it with its only video stream; raises DamagedError if it is not a segment."""
    data = segment.data
    try:
        with open_input(io.BytesIO(data) if isinstance(data, bytes) else data, name=segment.name) as container:
            streams = container.streams.video
            contexts = [stream.codec_context for stream in streams]
            if len(contexts) != 1 or contexts[0] is None or contexts[0].name != "h264":
                raise _damaged(segment, "does not have exactly one H.264 stream")
            yield container, streams[0]
    except InputError as error:
        raise _damaged(segment, "is not a readable MP4 file") from error


def _damaged(segment: Segment, problem: str) -> DamagedError:
    return DamagedError(f"Segment {segment.name} {problem}", _SEGMENT_REMEDY)


def _frame_count_mismatch(actual: str, manifest: Manifest) -> DamagedError:
    return DamagedError(
        f"The segments have {actual} frames; the manifest has {manifest.frame_count}",
        "Pass every batch of the plan once, in order.",
    )
