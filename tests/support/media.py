"""Helpers for media tests: split a clip, encode it in batches, join it, and read videos packet by packet."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from PIL import Image

from frame_tools.contracts.manifest import Manifest
from frame_tools.media.join import JoinReport, Segment, join
from frame_tools.media.segment import OddSize, SegmentEncoder
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
        facts = {
            "times": [frame.pts * stream.time_base for frame in frames],
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
                tracks[packet.stream.index].append((packet.pts * packet.time_base, bytes(packet)))
            elif packet.dts is not None and packet.size and packet.stream is stream:
                decode_times.append(packet.dts * packet.time_base)
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
    folder: Path, clip: Clip, *, suffix: str = ".mp4", borders: list[int] | None = None, keep_location: bool = False
) -> RoundTrip:
    """Make a clip, split it, encode its frames unchanged in batches, join them."""
    source = make_clip(folder / f"source{suffix}", clip)
    manifest = split(source, folder / "split", keep_location=keep_location)
    segments = segments_of(manifest, frame_images(folder / "split", manifest), borders or [0])
    result = folder / f"result.{manifest.container}"
    audio = folder / "split" / manifest.audio_file if manifest.audio_file else None
    return RoundTrip(source, manifest, join(manifest, segments, audio=audio, out=result), result)
