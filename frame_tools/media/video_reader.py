"""Video decoder: every frame that a player shows, in its order, upright, as RGB; and the frames' timestamps.

Interlaced frames are deinterlaced, HDR is tone-mapped, transparent parts are laid on white, and frames of another size
are scaled to the size of the first one. A damaged or truncated video is an error unless the split's options keep it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import MAX_FRAMES, MAX_SIDE, Color, Projection, StereoLayout
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media import probe
from frame_tools.media.color import BT709, HDR_NAMES, SCALING, conversion_for_tags
from frame_tools.media.containers import UNREADABLE_REMEDY
from frame_tools.media.damage import DAMAGE_REMEDY, DamagePolicy
from frame_tools.media.deinterlace import Deinterlacer
from frame_tools.media.images import on_white, rgb_from_frame, rgba_from_frame
from frame_tools.media.orientation import UPRIGHT, read_orientation
from frame_tools.media.packet_timeline import BROADCAST_FORMATS, UNCHANGED, PacketTimeline
from frame_tools.media.projection import read_projection, read_stereo_layout
from frame_tools.media.timestamps import TimestampCollector
from frame_tools.media.tone_mapping import ToneMapper, read_peak
from frame_tools.media.track_headers import TrackHeader

# FFmpeg's own decoders ignore the alpha channel of VP8 and VP9, which Matroska stores beside each frame.
_ALPHA_DECODERS: Final = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_SDR: Final = Color(primaries=BT709, transfer=BT709, matrix=BT709, range="limited")


@dataclass(frozen=True, slots=True)
class _FrameInfo:
    """Timestamp and duration of a decoded frame in ticks (None and 0: unknown), and whether it is damaged."""

    pts: int | None
    duration: int
    is_damaged: bool


class VideoReader:
    """Reads one video stream once; `notes` lists what the images could not preserve, complete after the last frame."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        name: str,
        timeline: PacketTimeline = UNCHANGED,
        header: TrackHeader | None = None,
        options: SplitOptions | None = None,
    ) -> None:
        options = options or SplitOptions()
        self.notes: list[str] = []
        self._timeline = timeline
        self._container = container
        self._stream = stream
        self._name = name
        self._header = header or TrackHeader()
        self._decoder = _open_decoder(stream)
        source_color = probe.read_color_tags(stream)
        self._conversion = conversion_for_tags(source_color, height=stream.codec_context.height)
        transfer = source_color.transfer
        self._transfer = transfer if transfer in HDR_NAMES else None
        self._color = source_color if self._transfer is None else _SDR
        self._collector = TimestampCollector(self.time_base, stream.average_rate or None)
        self._size = (0, 0)
        self._output_size = (0, 0)
        self._decode_times: list[int | None] = []
        self._decoded = 0
        self._repeated_until = 0
        self._damage = DamagePolicy(options.damaged, is_broadcast=container.format.name in BROADCAST_FORMATS)
        # With frame threads, FFmpeg drops the frames that wait behind a damaged one at the end of the file.
        self._decoder.thread_type = "SLICE" if self._damage.keeps_some else "AUTO"
        self._damaged_frames = 0
        self._undecodable_packets = 0
        self._scaled_frames = 0
        self._truncation: str | None = None
        self._orientation = UPRIGHT
        self._projection: Projection | None = None
        self._stereo: StereoLayout | None = None
        self._deinterlacer = Deinterlacer() if options.deinterlace == "on" else None
        self._has_fields = False
        self._tone_mapper: ToneMapper | None = None
        self._reformatter = VideoReformatter()

    def images(self) -> Iterator[Image.Image]:
        """Yield every frame as an upright RGB image; raises InputError if the video is damaged or has no frames.

        Damaged frames that are kept repeat the frame before them; those before the first intact frame are left out.
        """
        image: Image.Image | None = None
        for frame, info in self._progressive_frames():
            self._damaged_frames += info.is_damaged
            if image is None:
                if info.is_damaged:
                    continue
                self._begin(frame)
            if image is None or not info.is_damaged:
                image = self._to_image(frame)
            self._collector.add(info.pts, info.duration)
            yield image
        if image is None:
            raise InputError(f"{self._name} contains no frames", UNREADABLE_REMEDY)
        self._output_size = image.size
        self._collector.extend_last(self._repeated_until)
        self.notes += self._describe_changes()

    def manifest_fields(self, origin: Fraction) -> dict[str, Any]:
        """Return the manifest's fields about the frames, with times from `origin`; call it after the last of them."""
        width, height = self._output_size
        aspect = probe.read_sample_aspect(self._stream)
        is_sideways = self._orientation.swaps_sides
        return {
            "frame_count": len(self._collector),
            "width": width,
            "height": height,
            "sample_aspect": 1 / aspect if is_sideways else aspect,
            "rotation": self._orientation.rotation,
            "color": self._color,
            "projection": self._projection,
            "stereo": self._stereo,
            **self._collector.timestamps(origin).manifest_fields(),
        }

    @property
    def stream_index(self) -> int:
        """The stream's index in its container."""
        return self._stream.index

    @property
    def track_id(self) -> int:
        """The stream's id in its container."""
        return self._stream.id

    @property
    def time_base(self) -> Fraction:
        """Length of a tick of the timestamps in seconds."""
        return Fraction(self._stream.time_base or Fraction(1, 1000))

    def first_seconds(self) -> Fraction:
        """Return the time of the first frame in seconds, on the source's clock; call it after the last frame."""
        return self._collector.first_seconds()

    def _begin(self, frame: VideoFrame) -> None:
        """Take size, orientation and peak brightness from the first frame."""
        orientation = read_orientation(frame)
        self.notes += probe.describe_losses(frame, has_orientation=orientation is not None)
        self._orientation = orientation or UPRIGHT
        self._read_projection(frame)
        self._size = frame.width, frame.height
        if self._transfer is not None:
            self._tone_mapper = ToneMapper(self._transfer, self._conversion, peak=read_peak(frame))

    def _describe_changes(self) -> list[str]:
        notes = []
        if self._transfer is not None:
            notes.append(f"The video is HDR ({HDR_NAMES[self._transfer]}); it was tone-mapped to SDR (BT.709)")
        if self._deinterlacer is not None and self._deinterlacer.is_active:
            notes.append("The video is interlaced; its frames were deinterlaced (bwdif)")
        elif self._has_fields:
            notes.append("The video is interlaced; each frame contains both fields")
        if self._scaled_frames:
            width, height = self._size
            notes.append(f"{self._scaled_frames} frames had another size and were scaled to {width}x{height}")
        if self._damaged_frames:
            notes.append(f"{self._damaged_frames} frames were damaged; each was replaced by the frame before it")
        if self._undecodable_packets:
            notes.append(f"{self._undecodable_packets} frames could not be decoded; the frame before stays longer")
        if self._truncation:
            notes.append(f"The file is {self._truncation}")
        if self._collector.repaired:
            notes.append(f"{self._collector.repaired} frames had a missing or non-increasing timestamp")
        return notes

    def _progressive_frames(self) -> Iterator[tuple[VideoFrame, _FrameInfo]]:
        """Yield the decoded frames, deinterlaced, with their timestamps."""
        waiting: deque[_FrameInfo] = deque()
        for frame in self._decode():
            waiting.append(_FrameInfo(self._timestamp(frame), frame.duration, frame.is_corrupt))
            self._decoded += 1
            self._has_fields |= frame.interlaced_frame
            complete: Iterable[VideoFrame] = self._deinterlacer.add(frame) if self._deinterlacer else (frame,)
            for progressive in complete:
                yield progressive, waiting.popleft()
        if self._deinterlacer:
            for progressive in self._deinterlacer.finish():
                yield progressive, waiting.popleft()

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield the frames in presentation order; raises InputError for damage that is not kept."""
        try:
            for packet in self._timeline.demux(self._container, [self._stream]):
                if _is_repetition(packet):
                    self._repeated_until = _end_of(packet)
                    continue
                if packet.size:
                    self._decode_times.append(packet.dts)
                for frame in self._decode_packet(packet):
                    self._check(frame)
                    yield frame
        except av.FFmpegError as error:
            self._undecodable_packets += 1
            self._damage.check(self._damaged(str(error.strerror)))
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

    def _decode_packet(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """Return the frames that a packet completes; none if it is damaged and damage is kept."""
        try:
            return self._decoder.decode(packet)
        except av.FFmpegError as error:
            self._undecodable_packets += 1
            self._damage.check(self._damaged(str(error.strerror)))
            return []

    def _read_projection(self, frame: VideoFrame) -> None:
        """Read what a player needs to show 360° and stereoscopic video."""
        self._projection, note = read_projection(frame)
        self._stereo = read_stereo_layout(frame)
        self.notes += [note] if note else []

    def _timestamp(self, frame: VideoFrame) -> int | None:
        """Return the frame's timestamp, if the file has one.

        Formats without presentation times store one frame after the other, so the n-th frame is shown when the n-th
        packet is decoded.
        """
        if self._container.format.name not in probe.UNTIMED_FORMATS:
            return frame.pts
        return self._decode_times[self._decoded] if self._decoded < len(self._decode_times) else None

    def _check(self, frame: VideoFrame) -> None:
        """Raise InputError if the frame is damaged, too large, or too many."""
        if frame.key_frame:
            self._damage.begin_group()
        if frame.is_corrupt:
            self._damage.check(self._damaged("a frame is incomplete"))
        if max(frame.width, frame.height) > MAX_SIDE:
            raise self._damaged(f"the size changes to {frame.width}x{frame.height}")
        if self._decoded >= MAX_FRAMES:
            raise InputError(f"{self._name} has more than {MAX_FRAMES} frames", "Cut it into shorter videos.")

    def _damaged(self, reason: str) -> InputError:
        position = f"after frame {len(self._collector)}, at about {self._collector.last_seconds():.1f} s"
        return InputError(f"{self._name} is damaged {position} ({reason})", DAMAGE_REMEDY)

    def _to_image(self, frame: VideoFrame) -> Image.Image:
        """Return the shown part of a frame as an upright RGB image."""
        is_mapped = self._tone_mapper is not None
        if self._tone_mapper is not None:
            frame = self._tone_mapper.map(frame)
        components = frame.format.components
        has_alpha = not is_mapped and (frame.format.has_palette or any(part.is_alpha for part in components))
        is_full_range = frame.format.is_rgb or frame.format.has_palette
        self._scaled_frames += (frame.width, frame.height) != self._size
        width, height = self._size
        packed = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgba" if has_alpha else "rgb24",
            src_colorspace=self._conversion.matrix,
            src_color_range=ColorRange.JPEG if is_full_range else self._conversion.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=1,
        )
        image = on_white(rgba_from_frame(packed)) if has_alpha else rgb_from_frame(packed)
        if self._header.crop is not None:
            image = image.crop(self._header.crop)
        return self._orientation.to_upright(image)


def _open_decoder(stream: VideoStream) -> VideoCodecContext:
    """Return the stream's decoder; for VP8 and VP9 with alpha, one that decodes it."""
    context = stream.codec_context
    if context.name in _ALPHA_DECODERS and stream.metadata.get("alpha_mode") == "1":
        created = CodecContext.create(_ALPHA_DECODERS[context.name], "r")
        assert isinstance(created, VideoCodecContext)  # noqa: S101 - narrows the type
        created.extradata = context.extradata
        created.width, created.height = context.width, context.height
        return created
    return context


def _is_repetition(packet: "Packet[VideoStream]") -> bool:
    """Return whether an empty packet means that the frame before stays; the one at the end has no timestamp."""
    return not packet.size and (packet.pts is not None or packet.dts is not None)


def _end_of(packet: "Packet[VideoStream]") -> int:
    """Return when a packet's frame ends, in ticks."""
    start = packet.dts if packet.pts is None else packet.pts
    return (start or 0) + (packet.duration or 0)
