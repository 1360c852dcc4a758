"""A few frames spread over a video, found by seeking: for previews, where decoding the whole video takes too long."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.media.animated_webp import decodable_file
from frame_tools.media.containers import UNREADABLE_REMEDY, open_input
from frame_tools.media.deinterlace import Deinterlacer
from frame_tools.media.frame_converter import FrameConverter
from frame_tools.media.probe import select_video_stream
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_limits import VideoLimits

MAX_DECODED: Final = 600
"""Frames that are decoded from a keyframe on to reach one of the sample."""
_MICROSECONDS: Final = 1_000_000


def sample_images(video: Path, count: int) -> list[Image.Image]:
    """Return up to `count` frames of a video as upright RGB images, from the middles of equal parts of it.

    Fewer are returned for a video with fewer keyframes and frames than that, or without a duration. Raises InputError
    if the video can't be read, MissingError if it does not exist.
    """
    if not video.is_file():
        raise MissingError(f"The video {video} does not exist", "Check the path of the video.")
    with decodable_file(video, VideoLimits()) as file, open_input(file) as container:
        stream = select_video_stream(container, video.name, file)
        converter = FrameConverter(stream, read_track_header(file, container, stream))
        images: list[Image.Image] = []
        for frame in _sample_frames(container, stream, count):
            progressive = _deinterlaced(frame)
            if not images:
                converter.begin(progressive)
            images.append(converter.to_image(progressive))
    if not images:
        raise InputError(f"{video.name} contains no frames", UNREADABLE_REMEDY)
    return images


def _sample_frames(container: InputContainer, stream: VideoStream, count: int) -> Iterator[VideoFrame]:
    """Yield frames of increasing time, each once."""
    stream.thread_type = "AUTO"
    duration = Fraction(container.duration or 0, _MICROSECONDS)
    start = Fraction(container.start_time or 0, _MICROSECONDS)
    last: int | None = None
    for part in range(count if duration else 1):
        seconds = start + duration * (2 * part + 1) / (2 * count)
        frame = _frame_at(container, stream, seconds)
        if frame is not None and (frame.pts is None or last is None or frame.pts > last):
            last = frame.pts
            yield frame


def _frame_at(container: InputContainer, stream: VideoStream, seconds: Fraction) -> VideoFrame | None:
    """Return the frame that is shown at a time, or the last one that is decoded before it."""
    container.seek(int(seconds * _MICROSECONDS), backward=True)
    shown: VideoFrame | None = None
    for number, frame in enumerate(container.decode(stream)):
        if shown is not None and frame.time is not None and frame.time > seconds:
            break
        shown = frame
        if frame.time is None or number >= MAX_DECODED:
            break
    return shown


def _deinterlaced(frame: VideoFrame) -> VideoFrame:
    """Return a frame without the comb of two fields."""
    deinterlacer = Deinterlacer()
    return [*deinterlacer.add(frame), *deinterlacer.finish()][0]
