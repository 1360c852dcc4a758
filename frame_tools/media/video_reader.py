"""Video reader: every frame that a player shows as an upright RGB image, and the manifest's fields about the frames.

Interlaced frames are deinterlaced, HDR is tone-mapped, transparent parts are laid on white, and frames of another size
are scaled to the size of the first one. A damaged or truncated video is an error unless the split's options keep it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import Any

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_description import Projection, StereoLayout
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media import probe
from frame_tools.media.containers import UNREADABLE_REMEDY
from frame_tools.media.frame_converter import FrameConverter
from frame_tools.media.frame_decoder import FrameDecoder
from frame_tools.media.packet_timeline import UNCHANGED, PacketTimeline
from frame_tools.media.projection import read_projection, read_stereo_layout
from frame_tools.media.read_frame import ReadFrame
from frame_tools.media.timestamps import TimestampCollector
from frame_tools.media.track_headers import TrackHeader
from frame_tools.media.video_limits import VideoLimits


@dataclass(frozen=True, kw_only=True)
class VideoPart:
    """A part of a video that was read to its end before: from the frame with the timestamp `first_key` on, or from the
    first one (None). `converter` has begun with the first frame; None: it does so now."""

    first_key: int | None = None
    converter: FrameConverter | None = None


class VideoReader:
    """Reads one video stream once, or with `part` a part of it, whose frames the caller counts.

    `notes` lists what the images could not preserve, complete after the last frame.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        name: str,
        timeline: PacketTimeline = UNCHANGED,
        header: TrackHeader | None = None,
        options: SplitOptions | None = None,
        limits: VideoLimits | None = None,
        part: VideoPart | None = None,
    ) -> None:
        self.notes: list[str] = []
        self._stream = stream
        self._name = name
        self._collector = TimestampCollector(self.time_base, stream.average_rate or None)
        self._decoder = FrameDecoder(
            container,
            stream,
            name=name,
            timeline=timeline,
            options=options or SplitOptions(),
            limits=limits or VideoLimits(),
            collector=self._collector,
            first_key=part.first_key if part else None,
            checks_end=part is None,
        )
        begun = part.converter if part else None
        self._is_part = part is not None
        self._has_begun = begun is not None
        self._converter = begun or FrameConverter(stream, header or TrackHeader())
        self._output_size = (0, 0)
        self._damaged_frames = 0
        self._projection: Projection | None = None
        self._stereo: StereoLayout | None = None

    def images(self) -> Iterator[Image.Image]:
        """Yield every frame as an upright RGB image, converted on this thread; raises what `frames` raises."""
        return (frame.image() for frame in self.frames())

    def frames(self) -> Iterator[ReadFrame]:
        """Yield every frame, to be converted by the caller; raises InputError if the video is damaged or has none.

        Damaged frames that are kept repeat the frame before them; those before the first intact frame are left out.
        """
        shown: VideoFrame | None = None
        lock = Lock()
        for frame, info in self._decoder.frames():
            self._damaged_frames += info.is_damaged
            if shown is None:
                if info.is_damaged:
                    continue
                if not self._has_begun:
                    self._converter.begin(frame)
                self._read_projection(frame)
            if shown is None or not info.is_damaged:
                shown, lock = frame, Lock()
                self._converter.count(frame)
            self._collector.add(info.pts, info.duration)
            yield ReadFrame(shown, self._converter, info, lock)
        if shown is None:
            if self._is_part:
                return
            raise InputError(f"{self._name} contains no frames", UNREADABLE_REMEDY)
        self._output_size = self._converter.size
        self._collector.extend_last(self._decoder.repeated_until)
        self.notes += self._describe_changes()

    def manifest_fields(self, origin: Fraction) -> dict[str, Any]:
        """Return the manifest's fields about the frames, with times from `origin`; call it after the last of them."""
        width, height = self._output_size
        aspect = probe.read_sample_aspect(self._stream)
        orientation = self._converter.orientation
        return {
            "frame_count": len(self._collector),
            "width": width,
            "height": height,
            "sample_aspect": 1 / aspect if orientation.swaps_sides else aspect,
            "rotation": orientation.rotation,
            "color": self._converter.color,
            "projection": self._projection,
            "stereo": self._stereo,
            **self._collector.timestamps(origin).manifest_fields(),
        }

    @property
    def converter(self) -> FrameConverter:
        """What converts the frames; it has begun after the first one."""
        return self._converter

    @property
    def newest_pts(self) -> int:
        """Timestamp of the newest frame in ticks of the file's clock. Requires at least one frame."""
        return self._collector.newest

    @property
    def is_intact(self) -> bool:
        """Whether nothing was lost or replaced, so far; call it after the last frame."""
        return not (self._damaged_frames or self._decoder.lost)

    @property
    def has_sound_timestamps(self) -> bool:
        """Whether every frame had a timestamp of its own, later than the one before."""
        return self._collector.repaired == 0

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

    def _read_projection(self, frame: VideoFrame) -> None:
        """Read what a player needs to show 360° and stereoscopic video."""
        self._projection, note = read_projection(frame)
        self._stereo = read_stereo_layout(frame)
        self.notes += [note] if note else []

    def _describe_changes(self) -> list[str]:
        notes = [*self._converter.describe(), *self._decoder.describe()]
        if self._damaged_frames:
            notes.append(f"{self._damaged_frames} frames were damaged; each was replaced by the frame before it")
        if self._collector.repaired:
            notes.append(f"{self._collector.repaired} frames had a missing or non-increasing timestamp")
        return notes
