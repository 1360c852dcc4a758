"""Read the pictures of a video: every frame a player shows, in its order, upright, as RGB; and their times.

A damaged or cut-off video is an error, never a shorter one.
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
from frame_tools.contracts.manifest import MAX_FRAMES
from frame_tools.media import probe
from frame_tools.media.color import SCALING, conversion
from frame_tools.media.containers import REMEDY
from frame_tools.media.images import from_frame
from frame_tools.media.orientation import UPRIGHT, orientation_of
from frame_tools.media.timestamps import TimestampCollector, Timestamps


class VideoReader:
    """Reads one video stream once; `notes` tells what its pictures could not keep."""

    def __init__(self, container: InputContainer, stream: VideoStream, *, name: str) -> None:
        self.notes: list[str] = []
        self._container = container
        self._stream = stream
        self._name = name
        self._color = probe.color_of(stream)
        self._conversion = conversion(self._color, height=stream.codec_context.height)
        self._clock = TimestampCollector(Fraction(stream.time_base or Fraction(1, 1000)), stream.average_rate or None)
        self._size = stream.codec_context.width, stream.codec_context.height
        self._decode_times: list[int | None] = []
        self._orientation = UPRIGHT
        self._reformatter = VideoReformatter()

    def images(self) -> Iterator[Image.Image]:
        """Yield every frame as an upright RGB image; InputError where the video is damaged."""
        for frame in self._decoded():
            if len(self._clock) == 0:
                orientation = orientation_of(frame)
                self.notes += probe.losses(frame, turned=orientation is not None)
                self._orientation = orientation or UPRIGHT
            self._clock.add(self._stamp(frame), frame.duration)
            yield self._orientation.upright(self._rgb(frame))
        if len(self._clock) == 0:
            raise InputError(f"{self._name} holds no frames", REMEDY)
        if self._clock.repaired:
            self.notes.append(f"{self._clock.repaired} frames had no time stamp, or one that does not rise")

    def description(self) -> dict[str, Any]:
        """Return what a manifest says of the pictures, after the last of them."""
        width, height = self._size
        aspect = probe.sample_aspect_of(self._stream)
        on_its_side = self._orientation.swaps_sides
        return {
            "frame_count": len(self._clock),
            "width": height if on_its_side else width,
            "height": width if on_its_side else height,
            "sample_aspect": 1 / aspect if on_its_side else aspect,
            "rotation": self._orientation.rotation,
            "color": self._color,
            **self.times().as_fields(),
        }

    def times(self) -> Timestamps:
        """Return the frames' time stamps, after the last of them."""
        return self._clock.times()

    def _decoded(self) -> Iterator[VideoFrame]:
        """Yield the frames in presentation order; InputError where one is damaged or the file is cut off."""
        self._stream.codec_context.thread_type = "AUTO"
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    self._decode_times.append(packet.dts)
                for frame in packet.decode():
                    self._check(frame)
                    yield frame
        except av.FFmpegError as error:
            raise self._damaged(str(error.strerror)) from error
        missing = probe.missing_at_end(
            self._container, self._stream, packets=len(self._decode_times), end=self._clock.end()
        )
        if missing:
            raise self._damaged(missing)

    def _stamp(self, frame: VideoFrame) -> int | None:
        """Return the frame's time stamp, if the file has one.

        Formats without presentation times store one frame after the other, so the n-th that is shown is due when
        the n-th is decoded.
        """
        if self._container.format.name not in probe.UNTIMED_FORMATS:
            return frame.pts
        shown = len(self._clock)
        return self._decode_times[shown] if shown < len(self._decode_times) else None

    def _check(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise self._damaged("a frame is incomplete")
        if (frame.width, frame.height) != self._size:
            raise self._damaged(f"the size changes to {frame.width}x{frame.height}")
        if len(self._clock) >= MAX_FRAMES:
            raise InputError(f"{self._name} has over {MAX_FRAMES} frames", "Cut it into shorter videos.")

    def _damaged(self, reason: str) -> InputError:
        where = f"after frame {len(self._clock)}, at about {self._clock.seconds():.1f} s"
        return InputError(f"{self._name} is damaged {where} ({reason})", REMEDY)

    def _rgb(self, frame: VideoFrame) -> Image.Image:
        full = frame.format.is_rgb or frame.format.has_palette
        return from_frame(
            self._reformatter.reformat(
                frame,
                format="rgb24",
                src_colorspace=self._conversion.matrix,
                src_color_range=ColorRange.JPEG if full else self._conversion.range,
                dst_color_range=ColorRange.JPEG,
                interpolation=SCALING,
                threads=1,
            )
        )
