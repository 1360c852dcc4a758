"""One picture through H.264 and back, in memory: the blocks and rings of compressed video, for training."""

import io

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray


def through_h264(picture: NDArray[np.uint8], *, crf: int) -> NDArray[np.uint8]:
    """Encode (H, W, 3) uint8 RGB with even sides as one frame of H.264 and decode it again.

    `crf` is x264's constant rate factor: 18 is hard to distinguish from the original, 51 the worst.
    """
    buffer = io.BytesIO()
    height, width = picture.shape[:2]
    with av.open(buffer, "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "superfast", "threads": "1"}
        stream = container.add_stream("libx264", rate=25, options=options)
        assert isinstance(stream, VideoStream)  # noqa: S101 - libx264 encodes video
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        return np.asarray(next(coded.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)
