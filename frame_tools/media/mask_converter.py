"""Conversion of the frames of a mask video to upright grayscale images, cropped and turned as the frames of a video."""

from typing import Final

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.media import probe
from frame_tools.media.color import SCALING, conversion_for_tags
from frame_tools.media.images import rgba_from_frame
from frame_tools.media.orientation import UPRIGHT, Orientation, read_orientation
from frame_tools.media.track_headers import TrackHeader

_BLACK: Final = (0, 0, 0, 255)


class MaskConverter:
    """Converts the frames of one mask video: white is 255, black and transparent parts are 0, whatever its range."""

    def __init__(self, stream: VideoStream, header: TrackHeader) -> None:
        self._conversion = conversion_for_tags(probe.read_color_tags(stream), height=stream.codec_context.height)
        self._crop = header.crop
        self._reformatter = VideoReformatter()
        self._orientation: Orientation | None = None

    def convert(self, frame: VideoFrame) -> Image.Image:
        """Convert a frame to mode L; the first frame determines the orientation."""
        if self._orientation is None:
            self._orientation = read_orientation(frame) or UPRIGHT
        has_alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        image = self._opaque(frame) if has_alpha else self._gray(frame)
        return self._orientation.to_upright(image if self._crop is None else image.crop(self._crop))

    def _gray(self, frame: VideoFrame) -> Image.Image:
        gray = self._reformat(frame, "gray")
        plane = gray.planes[0]
        return Image.frombuffer("L", (gray.width, gray.height), bytes(plane), "raw", "L", plane.line_size, 1)

    def _opaque(self, frame: VideoFrame) -> Image.Image:
        layer = rgba_from_frame(self._reformat(frame, "rgba"))
        return Image.alpha_composite(Image.new("RGBA", layer.size, _BLACK), layer).convert("L")

    def _reformat(self, frame: VideoFrame, pixel_format: str) -> VideoFrame:
        is_full_range = frame.format.is_rgb or frame.format.has_palette
        return self._reformatter.reformat(
            frame,
            format=pixel_format,
            src_colorspace=self._conversion.matrix,
            src_color_range=ColorRange.JPEG if is_full_range else self._conversion.range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALING,
            threads=1,
        )
