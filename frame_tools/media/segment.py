"""Encoder for the frames of one batch: a segment of H.264 in MP4, in memory, with frame indices as timestamps.

Every segment starts with an IDR frame and references nothing outside itself. Settings and thread count are fixed, so
all segments of a run share one SPS/PPS and equal frames give equal bytes. Joining sets the real timestamps.

There are no B-frames; `video_track` explains why. They would save 5 to 20 %. The preset is x264's `superfast` plus the
macroblock tree that this preset turns off: 84 painted frames of 640x360 (CRF 18) took 5.0 ms of core time per frame,
3.0 MB and 31.4 dB, compared with 6.9 ms, 2.8 MB and 31.0 dB for `veryfast`. The encoder shares the cores with the
network, so each millisecond of core time matters.
"""

import io
import platform
from fractions import Fraction
from typing import Final

import av
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from typing_extensions import Buffer

from frame_tools.contracts.choices import OddSize
from frame_tools.contracts.errors import InputError, InternalError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import Color
from frame_tools.media.color import SCALING, UNSPECIFIED, Conversion, conversion_for_manifest
from frame_tools.media.images import rgb_from_frame

MAX_KEYFRAME_INTERVAL: Final = 120

# x264's AVX-512 code for the macroblock tree gave different bytes from run to run (core 165, with B-frames, at 320x240:
# in 25 of 25 runs). The AVX2 and SSE4.2 code never did; both give the same bytes and are no slower here.
_ASM: Final = "asm=SSE4.2:" if platform.machine() in ("x86_64", "AMD64") else ""
_X264_PARAMS: Final = f"{_ASM}mbtree=1:rc-lookahead=10"


def coded_size(width: int, height: int, odd_size: OddSize) -> tuple[int, int]:
    """Return the size of encoded frames: the original, or with `pad` each side rounded up to an even number."""
    if odd_size == "pad":
        return width + width % 2, height + height % 2
    return width, height


class SegmentEncoder:
    """Encodes the frames of one batch, in order; single use.

    `odd_size`: libx264 refuses odd sides in 4:2:0. With `pad`, the last column or row of frames with an odd side is
    repeated; with `exact`, they are encoded as 4:4:4 (exact size, but QuickTime, phones and Firefox do not decode it).
    `scale`: size of the frames, as a multiple of the manifest's; the color matrix stays that of the original's size.
    `quality_crf` is x264's constant rate factor (0 best to 51 worst; 18 is hard to distinguish from the original).
    `threads` affects the bytes, since x264 writes it into the stream.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        odd_size: OddSize = "pad",
        scale: int = 1,
        quality_crf: int = 18,
        preset: str = "superfast",
        threads: int = 4,
    ) -> None:
        self._size = manifest.width * scale, manifest.height * scale
        self._coded = coded_size(*self._size, odd_size)
        self._conversion = conversion_for_manifest(manifest)
        self._tick = 1 / manifest.rate
        self._reformatter = VideoReformatter()
        self._count = 0
        self._buffer = io.BytesIO()
        self._container = av.open(self._buffer, "w", format="mp4", container_options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream(
            "libx264",
            rate=manifest.rate,
            options={
                "crf": str(quality_crf),
                "preset": preset,
                "bf": "0",
                "g": str(MAX_KEYFRAME_INTERVAL),
                "x264-params": _X264_PARAMS,
            },
        )
        _configure(self._stream, self._coded, self._tick, threads=threads)
        _set_color_tags(self._stream, manifest.color, self._conversion, manifest.sample_aspect)

    def add(self, rgb: Buffer | VideoFrame) -> None:
        """Encode the next frame.

        `rgb` is either width * height * 3 bytes, rows from the top, R G B as uint8 (such as a C-contiguous numpy array
        of shape (height, width, 3)), or a VideoFrame of that size in any RGB format.
        Raises InternalError if the size differs from the manifest's times `scale`.
        """
        source = self._to_coded_size(rgb)
        frame = self._reformatter.reformat(
            source,
            format=self._stream.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=self._conversion.matrix,
            dst_color_range=self._conversion.range,
            interpolation=SCALING,
            threads=1,
        )
        frame.pts = self._count
        frame.time_base = self._tick
        frame.pict_type = 0  # let the encoder choose; a decoded frame carries its own type
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """Return the segment as an MP4 file. Raises InputError if no frame was added."""
        if self._count == 0:
            self._container.close()
            raise InputError("The segment has no frames", "Add at least one frame to every batch.")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()

    def _to_coded_size(self, rgb: Buffer | VideoFrame) -> VideoFrame:
        """Return `rgb` as a frame of the coded size; raises InternalError for another size."""
        width, height = self._size
        if isinstance(rgb, VideoFrame):
            if (rgb.width, rgb.height) != self._size:
                raise self._wrong_size(f"{rgb.width}x{rgb.height}")
            if self._coded == self._size:
                return rgb
            rgb = rgb_from_frame(rgb).tobytes()
        data = memoryview(rgb)
        if data.nbytes != width * height * 3:
            raise self._wrong_size(f"{data.nbytes} bytes")
        frame = VideoFrame(*self._coded, "rgb24")
        _fill(frame, data.cast("B"), width=width, height=height)
        return frame

    def _wrong_size(self, actual: str) -> InternalError:
        width, height = self._size
        return InternalError(
            f"Frame {self._count} of the batch has the size {actual}, not {width}x{height} in RGB",
            "Fix the scorer: it must return uint8 frames of the size that it received.",
        )


def _fill(frame: VideoFrame, data: memoryview, *, width: int, height: int) -> None:
    """Copy packed rows into an RGB24 frame; if it is one column or row larger, repeat the last one."""
    plane = frame.planes[0]
    stride, row_bytes = plane.line_size, width * 3
    target = memoryview(plane)
    if stride == row_bytes and frame.height == height:
        target[: len(data)] = data
        return
    for row in range(frame.height):
        begin = min(row, height - 1) * row_bytes
        source = data[begin : begin + row_bytes]
        offset = row * stride
        target[offset : offset + row_bytes] = source
        if frame.width > width:
            target[offset + row_bytes : offset + row_bytes + 3] = source[-3:]


def _configure(stream: VideoStream, size: tuple[int, int], tick: Fraction, *, threads: int) -> None:
    """Set the parameters that must be equal for all segments of a run."""
    context = stream.codec_context
    context.width, context.height = size
    context.pix_fmt = "yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p"
    context.time_base = tick
    context.thread_count = threads
    context.thread_type = "FRAME"  # PyAV's default is slices, which increase the size and are no faster here


def _set_color_tags(stream: VideoStream, color: Color, conversion: Conversion, sample_aspect: Fraction) -> None:
    """Write color tags and the pixel aspect ratio into the H.264 header (H.273: 2 is "unspecified").

    Matrix and range are always written, since players guess differently without them.
    """
    context = stream.codec_context
    context.color_primaries = UNSPECIFIED if color.primaries is None else color.primaries
    context.color_trc = UNSPECIFIED if color.transfer is None else color.transfer
    context.colorspace = conversion.code
    context.color_range = conversion.range
    context.sample_aspect_ratio = sample_aspect
