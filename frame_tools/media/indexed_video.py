"""Random access to a video with an index: the images that a split would write, from any frame on.

Decoding begins at the key frame before, which the index names, or at the first frame. Each frame's timestamp is
compared with the manifest's, so that no video but the indexed one is decoded without an error.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final
from weakref import finalize

import av
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import ErrorCode, InputError, InternalError, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.media import probe
from frame_tools.media.animated_webp import temporary_copy
from frame_tools.media.containers import ByteSource, open_input
from frame_tools.media.frame_converter import FrameConverter
from frame_tools.media.packet_timeline import UNCHANGED, PacketTimeline, scan
from frame_tools.media.read_frame import ReadFrame
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_limits import VideoLimits
from frame_tools.media.video_reader import VideoPart, VideoReader

_OTHER_VIDEO: Final = "Upload the video that was indexed, or start a new run with a new index"


class IndexedVideo:
    """A video that `manifest`, which has an index, describes; messages call it `name`. Supports one reader at a time.

    `file` may be a blob that is read range by range: only the header, the first frame and what is asked for are read.
    """

    def __init__(self, file: Path | ByteSource, manifest: Manifest, *, name: str) -> None:
        if manifest.index is None:
            raise InternalError(f"The manifest of {name} has no index", "Index the video first")
        self._manifest, self._index, self._name = manifest, manifest.index, name
        self._limits = VideoLimits(frames=manifest.frame_count)
        copy = temporary_copy(file, self._limits, name=name)
        if copy is not None:
            finalize(self, copy.close)
        self._file = file if copy is None else copy
        self._converter: FrameConverter | None = None
        self._timeline: PacketTimeline | None = None

    def images(self, start: int) -> Iterator[Image.Image]:
        """Yield the frames from frame `start` on as upright RGB images; raises what `frames` raises."""
        return (frame.image() for frame in self.frames(start))

    def frames(self, start: int) -> Generator[ReadFrame]:
        """Yield the frames from frame `start` on, to be converted by the caller; none after the last one.

        Raises InputError if the file is another video than the manifest describes, or is damaged.
        """
        key = self._index.key_before(start)
        numbered = enumerate(self._decoded_from(key), key)
        last = self._manifest.frame_count - 1
        for number, frame in numbered:
            if number == last and next(numbered, None) is not None:
                raise self._mismatch(f"it has more than {last + 1} frames")
            if number >= start:
                yield frame

    def _decoded_from(self, key: int) -> Iterator[ReadFrame]:
        """Yield the frames from a key frame on, each checked."""
        converter = self._begun_converter() if key else None
        timeline = self._moved_timeline()
        count = self._manifest.frame_count
        with open_input(self._file, name=self._name) as container:
            stream = probe.select_video_stream(container, self._name, self._file)
            first_key = self._seek(container, stream, key) if key else None
            reader = self._reader(container, stream, timeline, VideoPart(first_key=first_key, converter=converter))
            number = key
            for number, frame in enumerate(reader.frames(), key + 1):
                if number <= count:
                    self._check(number - 1, reader)
                yield frame
        if number < count:
            raise self._mismatch(f"frame {number} is missing")

    def _seek(self, container: InputContainer, stream: VideoStream, key: int) -> int:
        """Seek to a key frame and return its timestamp in the file."""
        pts = self._manifest.frame_pts[key] + self._index.origin
        try:
            container.seek(pts, stream=stream, backward=True)
        except av.FFmpegError as error:
            raise self._mismatch(f"frame {key} can't be found ({error.strerror})") from error
        return pts

    def _begun_converter(self) -> FrameConverter:
        """Return what converts frames, begun with the first one, which decides on size, orientation and brightness."""
        if self._converter is None:
            with open_input(self._file, name=self._name) as container:
                stream = probe.select_video_stream(container, self._name, self._file)
                reader = self._reader(container, stream, UNCHANGED, VideoPart())
                for _ in reader.frames():
                    self._check(0, reader)
                    break
                self._converter = reader.converter
        return self._converter

    def _moved_timeline(self) -> PacketTimeline:
        """Return how packets are moved, for a video whose clock jumps; for any other, nothing is read."""
        if not self._index.has_jumps:
            return UNCHANGED
        if self._timeline is None:
            with open_input(self._file, name=self._name) as container:
                self._timeline = scan(container, probe.select_video_stream(container, self._name, self._file))
        return self._timeline

    def _reader(
        self, container: InputContainer, stream: VideoStream, timeline: PacketTimeline, part: VideoPart
    ) -> VideoReader:
        self._limits.check_size(self._name, stream.codec_context.width, stream.codec_context.height)
        if stream.time_base is None or stream.time_base != self._manifest.time_base:
            raise self._mismatch(f"its ticks last {stream.time_base} s, not {self._manifest.time_base}")
        return VideoReader(
            container,
            stream,
            name=self._name,
            timeline=timeline,
            header=read_track_header(self._file, container, stream),
            options=self._manifest.split_options,
            limits=VideoLimits(),
            part=part,
        )

    def _check(self, number: int, reader: VideoReader) -> None:
        """Raise InputError unless the newest frame is frame `number` of the indexed video."""
        expected, actual = self._manifest.frame_pts[number], reader.newest_pts - self._index.origin
        if actual != expected:
            raise self._mismatch(f"frame {number} is at {actual}, not at {expected}")
        size, expected_size = reader.converter.size, (self._manifest.width, self._manifest.height)
        if size != expected_size:
            raise self._mismatch(
                f"frame {number} has {size[0]}x{size[1]} pixels, not {'x'.join(map(str, expected_size))}"
            )

    def _mismatch(self, reason: str) -> InputError:
        return InputError(
            f"{self._name} is not the video that its index describes: {reason}",
            _OTHER_VIDEO,
            code=ErrorCode.INPUT_CHANGED,
            next_step=NextStep.START_NEW_RUN,
        )
