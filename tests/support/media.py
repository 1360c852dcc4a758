"""Helpers for media tests: split a clip, encode it in batches, join it, and read videos packet by packet."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from PIL import Image

from frame_tools.contracts.choices import OddSize
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.join import JoinReport, Segment, join
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.split import split
from tests.support.clips import Clip, make_clip

COLOR_TAGS = ("color_primaries", "color_trc", "colorspace", "color_range")


def frame_images(folder: Path, manifest: Manifest) -> list[Image.Image]:
    images = []
    for index in range(manifest.frame_count):
        with Image.open(folder / "frames" / manifest.frame_name(index)) as image:
            images.append(image.convert("RGB"))
    return images


def segments_of(
    manifest: Manifest, images: list[Image.Image], borders: list[int], *, odd_size: OddSize = "exact"
) -> list[Segment]:
    """Encode batches that begin at `borders`, of which the first is 0."""
    segments = []
    for begin, end in zip(borders, [*borders[1:], len(images)], strict=True):
        encoder = SegmentEncoder(manifest, odd_size=odd_size, threads=2)
        for image in images[begin:end]:
            encoder.add(image.tobytes())
        segments.append(Segment(f"batch {begin}", end - begin, encoder.finish()))
    return segments


def segment_bytes(segment: Segment) -> bytes:
    """Return the MP4 file of a segment that lies in memory."""
    assert isinstance(segment.data, bytes)
    return segment.data


def to_seconds(ticks: int | None, time_base: Fraction | None) -> Fraction:
    """Return a time stamp in seconds; fail if the file has none."""
    assert ticks is not None
    assert time_base is not None
    return ticks * time_base


@dataclass(frozen=True)
class Video:
    """Everything that a player reads from a file."""

    times: list[Fraction]
    images: list[Image.Image]
    size: tuple[int, int]
    sample_aspect: Fraction
    color: tuple[int, int, int, int]
    rotation: int
    audio: list[list[tuple[Fraction, bytes]]]
    languages: list[str | None]
    metadata: dict[str, str]
    decode_steps: list[Fraction]


def read_video(path: Path) -> Video:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not s.disposition & 1024)
        context = stream.codec_context
        frames = list(container.decode(stream))
        aspect = stream.sample_aspect_ratio
        facts: dict[str, Any] = {
            "times": [to_seconds(frame.pts, stream.time_base) for frame in frames],
            "images": [frame.to_image() for frame in frames],
            "size": (context.width, context.height),
            "sample_aspect": Fraction(aspect) if aspect else Fraction(1),
            "color": tuple(int(getattr(context, tag)) for tag in COLOR_TAGS),
            "rotation": frames[0].rotation,
            "languages": [track.language for track in container.streams.audio],
            "metadata": dict(container.metadata),
        }
    with av.open(str(path)) as container:
        tracks: dict[int, list[tuple[Fraction, bytes]]] = {track.index: [] for track in container.streams.audio}
        stream = next(s for s in container.streams.video if not s.disposition & 1024)
        decode_times = []
        for packet in container.demux():
            if packet.size and packet.stream.index in tracks:
                tracks[packet.stream.index].append((to_seconds(packet.pts, packet.time_base), bytes(packet)))
            elif packet.dts is not None and packet.size and packet.stream is stream:
                decode_times.append(to_seconds(packet.dts, packet.time_base))
    steps = [later - earlier for earlier, later in pairwise(decode_times)]
    return Video(**facts, audio=list(tracks.values()), decode_steps=steps)


@dataclass(frozen=True)
class RoundTrip:
    """A clip, its manifest, and the output of the round trip."""

    source: Path
    manifest: Manifest
    report: JoinReport
    result: Path


def round_trip(
    folder: Path,
    clip: Clip,
    *,
    suffix: str = ".mp4",
    borders: list[int] | None = None,
    options: SplitOptions | None = None,
) -> RoundTrip:
    """Make a clip, split it, encode its frames unchanged in batches, join them."""
    source = make_clip(folder / f"source{suffix}", clip)
    return join_split(source, folder, borders=borders, options=options)


def join_split(
    source: Path, folder: Path, *, borders: list[int] | None = None, options: SplitOptions | None = None
) -> RoundTrip:
    """Split a video, encode its frames unchanged in batches, join them."""
    manifest = split(source, folder / "split", options)
    segments = segments_of(manifest, frame_images(folder / "split", manifest), borders or [0])
    result = folder / f"result.{manifest.container}"
    audio = folder / "split" / manifest.audio_file if manifest.audio_file else None
    return RoundTrip(source, manifest, join(manifest, segments, audio=audio, out=result), result)


@dataclass(frozen=True)
class Sound:
    """One decoded audio track: (time of the first sample in seconds, samples from -1 to 1 as mono) per frame."""

    rate: int
    frames: list[tuple[Fraction, list[float]]]

    @property
    def start(self) -> Fraction:
        return self.frames[0][0]

    @property
    def samples(self) -> list[float]:
        return [sample for _, frame in self.frames for sample in frame]

    def clicks(self) -> list[float]:
        """Return when a click begins, in seconds; clicks are at least 50 ms apart."""
        found: list[float] = []
        for time, frame in self.frames:
            for index, sample in enumerate(frame):
                at = float(time) + index / self.rate
                if abs(sample) > 0.2 and (not found or at - found[-1] > 0.05):
                    found.append(at)
        return found


def read_sound(path: Path, track: int = 0) -> Sound:
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        rate = stream.codec_context.sample_rate
        frames: list[tuple[Fraction, list[float]]] = []
        for frame in container.decode(stream):
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            samples: list[float] = [
                sample
                for one in resampler.resample(frame)
                for sample in memoryview(one.planes[0]).cast("f").tolist()[: one.samples]
            ]
            if frame.pts is None:
                before, previous = frames[-1]
                time = before + Fraction(len(previous), rate)
            else:
                time = to_seconds(frame.pts, frame.time_base)
            frames.append((time, samples))
        return Sound(rate, frames)


def clicks_after_first_frame(path: Path) -> list[float]:
    """Return when the clicks are heard, in seconds after the first frame is shown."""
    first = float(read_video(path).times[0])
    return [click - first for click in read_sound(path).clicks()]
