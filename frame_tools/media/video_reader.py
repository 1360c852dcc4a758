"""Video decoder: every frame that a player shows, in its order, upright, as RGB; and the frames' timestamps.

A damaged or truncated video is an error, never a shorter video.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import MAX_FRAMES, Projection, StereoLayout
from frame_tools.media import probe
from frame_tools.media.color import SCALING, conversion_for_tags
from frame_tools.media.containers import UNREADABLE_REMEDY
from frame_tools.media.images import from_frame
from frame_tools.media.orientation import UPRIGHT, read_orientation
from frame_tools.media.packet_timeline import UNCHANGED, PacketTimeline
from frame_tools.media.projection import read_projection, read_stereo_layout
from frame_tools.media.timestamps import TimestampCollector


class VideoReader:
    """Reads one video stream once; `notes` lists what the images could not preserve."""

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, name: str, timeline: PacketTimeline = UNCHANGED
    ) -> None:
        self.notes: list[str] = []
        self._timeline = timeline
        self._container = container
        self._stream = stream
        self._name = name
        self._color = probe.read_color_tags(stream)
        self._conversion = conversion_for_tags(self._color, height=stream.codec_context.height)
        self._collector = TimestampCollector(self.time_base, stream.average_rate or None)
        self._size = stream.codec_context.width, stream.codec_context.height
        self._decode_times: list[int | None] = []
        self._orientation = UPRIGHT
        self._projection: Projection | None = None
        self._stereo: StereoLayout | None = None
        self._reformatter = VideoReformatter()

    def images(self) -> Iterator[Image.Image]:
        """Yield every frame as an upright RGB image; raises InputError if the video is damaged or has no frames."""
        for frame in self._decode():
            if len(self._collector) == 0:
                orientation = read_orientation(frame)
                self.notes += probe.describe_losses(frame, has_orientation=orientation is not None)
                self._orientation = orientation or UPRIGHT
                self._read_projection(frame)
            self._collector.add(self._timestamp(frame), frame.duration)
            yield self._orientation.to_upright(self._to_rgb(frame))
        if len(self._collector) == 0:
            raise InputError(f"{self._name} contains no frames", UNREADABLE_REMEDY)
        if self._collector.repaired:
            self.notes.append(f"{self._collector.repaired} frames had a missing or non-increasing timestamp")

    def manifest_fields(self, origin: Fraction) -> dict[str, Any]:
        """Return the manifest's fields about the frames, with times from `origin`; call it after the last of them."""
        width, height = self._size
        aspect = probe.read_sample_aspect(self._stream)
        is_sideways = self._orientation.swaps_sides
        return {
            "frame_count": len(self._collector),
            "width": height if is_sideways else width,
            "height": width if is_sideways else height,
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

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield the frames in presentation order; raises InputError if one is damaged or the file is truncated."""
        self._stream.codec_context.thread_type = "AUTO"
        try:
            for packet in self._timeline.demux(self._container, [self._stream]):
                if packet.size:
                    self._decode_times.append(packet.dts)
                for frame in packet.decode():
                    self._check(frame)
                    yield frame
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error
        end = self._collector.end_seconds() - self._timeline.moved_seconds(self._stream)
        truncation = probe.describe_truncation(
            self._container,
            self._stream,
            packets=len(self._decode_times),
            end=end,
            file_end=self._timeline.end,
        )
        if truncation:
            raise self._damaged(truncation)

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
        index = len(self._collector)
        return self._decode_times[index] if index < len(self._decode_times) else None

    def _check(self, frame: VideoFrame) -> None:
        """Raise InputError if the frame is corrupt, has another size, or is one too many."""
        if frame.is_corrupt:
            raise self._damaged("a frame is incomplete")
        if (frame.width, frame.height) != self._size:
            raise self._damaged(f"the size changes to {frame.width}x{frame.height}")
        if len(self._collector) >= MAX_FRAMES:
            raise InputError(f"{self._name} has more than {MAX_FRAMES} frames", "Cut it into shorter videos.")

    def _damaged(self, reason: str) -> InputError:
        position = f"after frame {len(self._collector)}, at about {self._collector.last_seconds():.1f} s"
        return InputError(f"{self._name} is damaged {position} ({reason})", UNREADABLE_REMEDY)

    def _to_rgb(self, frame: VideoFrame) -> Image.Image:
        is_full_range = frame.format.is_rgb or frame.format.has_palette
        return from_frame(
            self._reformatter.reformat(
                frame,
                format="rgb24",
                src_colorspace=self._conversion.matrix,
                src_color_range=ColorRange.JPEG if is_full_range else self._conversion.range,
                dst_color_range=ColorRange.JPEG,
                interpolation=SCALING,
                threads=1,
            )
        )
