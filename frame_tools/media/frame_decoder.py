"""Decoding of a video stream: every frame that a player shows, in its order, with its timestamp, deinterlaced.

A damaged or truncated video is an error unless the split's options keep it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_values import MAX_SIDE
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media import probe
from frame_tools.media.damage import DAMAGE_REMEDY, DamagePolicy
from frame_tools.media.deinterlace import Deinterlacer
from frame_tools.media.packet_timeline import BROADCAST_FORMATS, AnyPacket, PacketTimeline
from frame_tools.media.random_access import is_random_access
from frame_tools.media.timestamps import TimestampCollector
from frame_tools.media.video_limits import VideoLimits

# FFmpeg's own decoders ignore the alpha channel of VP8 and VP9, which Matroska stores beside each frame.
_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Each of their packets contains one frame that is shown, and FFmpeg's decoder drops those that refer to missing ones.
_DROPPING_CODECS: Final = frozenset({"hevc"})

# FFmpeg marks a packet of a transport stream when the next one is incomplete, or packets after that are missing.
_GAP_DELAY: Final = 2


@dataclass(frozen=True, slots=True)
class FrameInfo:
    """Timestamp and duration of a decoded frame in ticks (None and 0: unknown), and whether it is damaged.

    `is_key`: no frame that is shown from here on needs an earlier one, according to the stream. `has_fields`: the frame
    is interlaced.
    """

    pts: int | None
    duration: int
    is_damaged: bool
    is_key: bool = False
    has_fields: bool = False


class FrameDecoder:
    """Decodes one video stream once; `describe` says what was lost, after the last frame.

    `collector` receives the timestamps of the frames that are used; messages name the place by it. With `first_key`,
    the timestamp of a key frame, frames are those from it on, and the container has to be before it. Without
    `checks_end`, the caller counts the frames, and a file may end early.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        name: str,
        timeline: PacketTimeline,
        options: SplitOptions,
        limits: VideoLimits,
        collector: TimestampCollector,
        first_key: int | None = None,
        checks_end: bool = True,
    ) -> None:
        self._first_key = first_key
        self._checks_end = checks_end
        self._container = container
        self._stream = stream
        self._name = name
        self._timeline = timeline
        self._collector = collector
        self._limits = limits
        self._damage = DamagePolicy(options.damaged, is_broadcast=container.format.name in BROADCAST_FORMATS)
        self._decoder = open_decoder(stream, drops_no_frame=self._damage.keeps_some)
        self._deinterlacer = Deinterlacer() if options.deinterlace == "on" else None
        self._expected = _ExpectedFrames() if self._decoder.name in _DROPPING_CODECS else None
        self._decode_times: list[int | None] = []
        self._decoded = 0
        self._repeated_until = 0
        self._undecodable_packets = 0
        self._gaps = 0
        self._truncation: str | None = None
        self._has_fields = False
        self._key_pts: set[int] = set()

    def frames(self) -> Iterator[tuple[VideoFrame, FrameInfo]]:
        """Yield the frames, deinterlaced, with their timestamps; raises InputError for damage that is not kept."""
        waiting: deque[FrameInfo] = deque()
        for frame in self._decode():
            waiting.append(self._info(frame))
            self._decoded += 1
            self._has_fields |= frame.interlaced_frame
            complete: Iterable[VideoFrame] = self._deinterlacer.add(frame) if self._deinterlacer else (frame,)
            for progressive in complete:
                yield progressive, waiting.popleft()
        if self._deinterlacer:
            for progressive in self._deinterlacer.finish():
                yield progressive, waiting.popleft()

    def _info(self, frame: VideoFrame) -> FrameInfo:
        # The decoders of VP8 and VP9 with alpha do not say which frames are key frames.
        may_be_key = frame.key_frame or self._decoder.name in _ALPHA_DECODERS.values()
        is_key = may_be_key and frame.pts in self._key_pts
        if is_key and frame.pts is not None:
            self._key_pts.discard(frame.pts)
        return FrameInfo(
            self._timestamp(frame), frame.duration, frame.is_corrupt, is_key=is_key, has_fields=frame.interlaced_frame
        )

    @property
    def lost(self) -> int:
        """How many frames could not be decoded, and in how many places packets are missing."""
        return self._undecodable_packets + self._gaps + (self._truncation is not None)

    @property
    def repeated_until(self) -> int:
        """Until when, in ticks, the last frame stays by empty packets; 0 without them."""
        return self._repeated_until

    def describe(self) -> list[str]:
        """Return notes on interlacing and damage."""
        notes = []
        if self._deinterlacer is not None and self._deinterlacer.is_active:
            notes.append("The video is interlaced; its frames were deinterlaced (bwdif)")
        elif self._has_fields:
            notes.append("The video is interlaced; each frame contains both fields")
        if self._undecodable_packets:
            notes.append(f"{self._undecodable_packets} frames could not be decoded; the frame before stays longer")
        if self._gaps:
            notes.append(f"Packets are missing in {self._gaps} places; frames up to the next keyframe may show errors")
        if self._truncation:
            notes.append(f"The file is {self._truncation}")
        return notes

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield the frames in presentation order."""
        flags: deque[bool] = deque([False] * _GAP_DELAY, maxlen=_GAP_DELAY)
        try:
            for packet in self._packets():
                if is_repetition(packet):
                    self._repeated_until = _end_of(packet)
                    continue
                if packet.size:
                    self._check_gap(packet, after_gap=flags[0])
                    flags.append(packet.is_corrupt)
                    self._note(packet)
                for frame in self._decode_packet(packet):
                    if self._first_key is not None and (frame.pts is None or frame.pts < self._first_key):
                        continue  # shown before the key frame, and decoded from frames that are missing here
                    self._check(frame)
                    yield frame
        except av.FFmpegError as error:
            self._undecodable_packets += 1
            self._damage.check(self._damaged(str(error.strerror)))
        if self._checks_end:
            self._check_end()

    def _packets(self) -> Iterator[AnyPacket]:
        """Yield the packets, if asked for from that of the first key frame on; none if it does not come."""
        packets = self._timeline.demux(self._container, [self._stream])
        if self._first_key is not None:
            for packet in packets:
                if packet.is_keyframe and packet.pts == self._first_key:
                    yield packet
                    break
                if packet.dts is not None and packet.dts > self._first_key:
                    return
        yield from packets

    def _note(self, packet: AnyPacket) -> None:
        self._decode_times.append(packet.dts)
        if packet.is_keyframe and packet.pts is not None and is_random_access(packet, self._stream.codec_context):
            self._key_pts.add(packet.pts)
        if self._expected is not None and not packet.is_discard and packet.pts is not None:
            self._expected.add(packet.pts)

    def _decode_packet(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """Return the frames that a packet completes; none if it is damaged and damage is kept."""
        try:
            return self._decoder.decode(packet)
        except av.FFmpegError as error:
            self._lose(1, str(error.strerror))
            return []

    def _lose(self, count: int, reason: str) -> None:
        """Count frames that could not be decoded; raises InputError unless they may be lost."""
        self._undecodable_packets += count
        self._damage.check(self._damaged(reason))

    def _timestamp(self, frame: VideoFrame) -> int | None:
        """Return the frame's timestamp, if the file has one.

        Formats without presentation times store one frame after the other, so the n-th frame is shown when the n-th
        packet is decoded.
        """
        if self._container.format.name not in probe.UNTIMED_FORMATS:
            return frame.pts
        return self._decode_times[self._decoded] if self._decoded < len(self._decode_times) else None

    def _check(self, frame: VideoFrame) -> None:
        """Raise InputError if the frame is damaged, too large, or too many, or if frames before it are missing."""
        if self._expected is not None and frame.pts is not None and (lost := self._expected.take(frame.pts)):
            self._lose(lost, "frames refer to missing ones")
        if frame.key_frame:
            self._damage.begin_group()
        if frame.is_corrupt:
            self._damage.check(self._damaged("a frame is incomplete"))
        if max(frame.width, frame.height) > MAX_SIDE:
            raise self._damaged(f"the size changes to {frame.width}x{frame.height}")
        self._limits.check_size(self._name, frame.width, frame.height)
        if self._decoded >= self._limits.frames:
            raise InputError(f"{self._name} has more than {self._limits.frames} frames", "Cut it into shorter videos.")

    def _check_gap(self, packet: AnyPacket, *, after_gap: bool) -> None:
        """Raise InputError if packets before this one were lost, unless decoding starts anew with it."""
        if after_gap and not packet.is_keyframe:
            self._gaps += 1
            self._damage.check(self._damaged("packets are missing"))

    def _check_end(self) -> None:
        """Raise InputError if the file ends too early."""
        if self._expected is not None and (lost := self._expected.take_rest()):
            self._lose(lost, "frames refer to missing ones")
        end = self._collector.end_seconds() - self._timeline.moved_seconds(self._stream)
        self._truncation = probe.describe_truncation(
            self._container,
            self._stream,
            packets=len(self._decode_times),
            end=end,
            file_end=self._timeline.end,
        )
        if self._truncation:
            self._damage.check(self._damaged(self._truncation))

    def _damaged(self, reason: str) -> InputError:
        position = f"after frame {len(self._collector)}, at about {self._collector.last_seconds():.1f} s"
        return InputError(f"{self._name} is damaged {position} ({reason})", DAMAGE_REMEDY)


class _ExpectedFrames:
    """The timestamps of packets whose frames were not decoded yet, for decoders that drop frames silently."""

    def __init__(self) -> None:
        self._pts: list[int] = []
        self._has_begun = False

    def add(self, pts: int) -> None:
        """Expect the frame of a packet."""
        heappush(self._pts, pts)

    def take(self, pts: int) -> int:
        """Note a decoded frame; return how many before it are missing. Those before the first frame don't count."""
        lost = 0
        while self._pts and self._pts[0] <= pts:
            lost += heappop(self._pts) != pts
        lost, self._has_begun = lost if self._has_begun else 0, True
        return lost

    def take_rest(self) -> int:
        """Return how many frames are missing at the end."""
        lost = len(self._pts) if self._has_begun else 0
        self._pts.clear()
        return lost


def open_decoder(stream: VideoStream, *, drops_no_frame: bool) -> VideoCodecContext:
    """Return the stream's decoder; for VP8 and VP9 with alpha, one that decodes it."""
    context = stream.codec_context
    if context.name in _ALPHA_DECODERS and stream.metadata.get("alpha_mode") == "1":
        created = CodecContext.create(_ALPHA_DECODERS[context.name], "r")
        assert isinstance(created, VideoCodecContext)  # noqa: S101 - narrows the type
        created.extradata = context.extradata
        created.width, created.height = context.width, context.height
        context = created
    # With frame threads, FFmpeg drops the frames that wait behind a damaged one at the end of the file.
    context.thread_type = "SLICE" if drops_no_frame else "AUTO"
    if drops_no_frame and context.name == "h264":
        # With slice threads FFmpeg does not look for damage within a frame unless it is told to.
        context.options = {"enable_er": "1"}
    return context


def is_repetition(packet: "Packet[VideoStream]") -> bool:
    """Return whether an empty packet means that the frame before stays; the one at the end has no timestamp."""
    return not packet.size and (packet.pts is not None or packet.dts is not None)


def _end_of(packet: "Packet[VideoStream]") -> int:
    """Return when a packet's frame ends, in ticks."""
    start = packet.dts if packet.pts is None else packet.pts
    return (start or 0) + (packet.duration or 0)
