"""Conversion of decoded frames to upright RGB images: tone mapping, alpha, crop, one size, orientation."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.media_description import Color
from frame_tools.media import probe
from frame_tools.media.color import BT709, HDR_NAMES, SCALING, conversion_for_tags
from frame_tools.media.images import on_white, rgb_from_frame, rgba_from_frame
from frame_tools.media.orientation import UPRIGHT, read_orientation
from frame_tools.media.tone_mapping import ToneMapper, read_peak
from frame_tools.media.track_headers import TrackHeader

_SDR: Final = Color(primaries=BT709, transfer=BT709, matrix=BT709, range="limited")


@dataclass(frozen=True, slots=True)
class Pixels:
    """Rows of 8-bit RGB pixels; each takes `line_size` bytes of `data`, of which the first 3 · `width` count."""

    width: int
    height: int
    line_size: int
    data: bytes | VideoPlane


class FrameConverter:
    """Converts the frames of one video; the first one given to `begin` determines size, orientation and brightness.

    Thread-safe after `begin`, for different frames: see `ReadFrame`. `color` are the tags of the output, `orientation`
    is how its frames were turned.
    """

    def __init__(self, stream: VideoStream, header: TrackHeader) -> None:
        source_color = probe.read_color_tags(stream, header)
        self._conversion = conversion_for_tags(source_color, height=stream.codec_context.height)
        transfer = source_color.transfer
        self._transfer = transfer if transfer in HDR_NAMES else None
        self.color = source_color if self._transfer is None else _SDR
        self.orientation = UPRIGHT
        self._header = header
        self._size = (0, 0)
        self._scaled_frames = 0
        self._first_frame_notes: list[str] = []
        self._tone_mapper: ToneMapper | None = None
        self._tone_mapping = Lock()
        self._reformatters: deque[VideoReformatter] = deque()

    def begin(self, frame: VideoFrame) -> None:
        """Take size, orientation and peak brightness from the first frame."""
        orientation = read_orientation(frame)
        self._first_frame_notes = probe.describe_losses(frame, has_orientation=orientation is not None)
        self.orientation = orientation or UPRIGHT
        self._size = frame.width, frame.height
        if self._transfer is not None:
            self._tone_mapper = ToneMapper(self._transfer, self._conversion, peak=read_peak(frame))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the images."""
        width, height = self._size
        if self._header.crop is not None:
            left, top, right, bottom = self._header.crop
            width, height = right - left, bottom - top
        return (height, width) if self.orientation.swaps_sides else (width, height)

    def count(self, frame: VideoFrame) -> None:
        """Count a frame that is to be converted, for the notes; not thread-safe."""
        self._scaled_frames += (frame.width, frame.height) != self._size

    def describe(self) -> list[str]:
        """Return notes on what the images of the counted frames do not preserve."""
        notes = list(self._first_frame_notes)
        if self._transfer is not None:
            notes.append(f"The video is HDR ({HDR_NAMES[self._transfer]}); it was tone-mapped to SDR (BT.709)")
        if self._scaled_frames:
            width, height = self._size
            notes.append(f"{self._scaled_frames} frames had another size and were scaled to {width}x{height}")
        return notes

    def to_image(self, frame: VideoFrame) -> Image.Image:
        """Return the shown part of a frame as an upright RGB image."""
        return self._upright(self._packed(frame))

    def to_pixels(self, frame: VideoFrame) -> Pixels:
        """Return the pixels of the same image, without a copy where the frame needs no more than a conversion.

        They are never those of `frame` itself, so a caller may change them.
        """
        packed = self._packed(frame)
        is_converted = packed is not frame and packed.format.name == "rgb24"  # RGB of the one size is passed through
        if is_converted and self._header.crop is None and self.orientation.operation is None:
            plane = packed.planes[0]
            return Pixels(packed.width, packed.height, plane.line_size, plane)
        image = self._upright(packed)
        return Pixels(image.width, image.height, 3 * image.width, image.tobytes())

    def _upright(self, packed: VideoFrame) -> Image.Image:
        image = on_white(rgba_from_frame(packed)) if packed.format.name == "rgba" else rgb_from_frame(packed)
        if self._header.crop is not None:
            image = image.crop(self._header.crop)
        return self.orientation.to_upright(image)

    def _packed(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame in the one size, as rgb24, or as rgba if it is transparent."""
        is_mapped = self._tone_mapper is not None
        if self._tone_mapper is not None:
            with self._tone_mapping:  # the filters use all cores for one frame
                frame = self._tone_mapper.map(frame)
        components = frame.format.components
        has_alpha = not is_mapped and (frame.format.has_palette or any(part.is_alpha for part in components))
        is_full_range = frame.format.is_rgb or frame.format.has_palette
        width, height = self._size
        with self._reformatter() as reformatter:
            return reformatter.reformat(
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

    @contextmanager
    def _reformatter(self) -> Iterator[VideoReformatter]:
        """Lend one that no other thread uses: it keeps the tables of the last conversion."""
        try:
            reformatter = self._reformatters.pop()
        except IndexError:
            reformatter = VideoReformatter()
        try:
            yield reformatter
        finally:
            self._reformatters.append(reformatter)
