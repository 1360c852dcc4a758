"""One picture through H.264 and back, in memory: the blocks and rings of compressed video, for training."""

import io

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from frame_tools.media.images import rgb_from_frame


def through_h264(rgb: bytes, width: int, height: int, *, crf: int) -> bytes:
    """Encode 8-bit RGB pixels, with even sides, as one frame of H.264, and return the decoded ones.

    `crf` is x264's constant rate factor: 18 is hard to distinguish from the original, 51 the worst.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "superfast", "threads": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        assert isinstance(stream, VideoStream)  # noqa: S101 - libx264 encodes video
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = VideoFrame(width, height, "rgb24")
        frame.planes[0].update(_in_lines(rgb, 3 * width, frame.planes[0].line_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        return rgb_from_frame(next(coded.decode(video=0)).reformat(format="rgb24")).tobytes()


def _in_lines(rgb: bytes, used: int, line_size: int) -> bytes:
    """Return the pixels with each line, of `used` bytes, filled up to `line_size`."""
    return b"".join(rgb[start : start + used].ljust(line_size, b"\0") for start in range(0, len(rgb), used))
