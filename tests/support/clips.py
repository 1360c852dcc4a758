"""Small generated test videos: any rate, timestamps, size, rotation, tags and audio, with a readable number per frame.

A frame is a grid of 4 x 4 black or white cells. Six fixed cells mark its orientation, ten encode its number, so that
tests can check order, identity and orientation after any number of lossy steps.
"""

import array
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition
from PIL import Image

GRID = 4
MARKS = {0: True, 1: True, 3: False, 4: False, 12: False, 15: False}
NUMBER_CELLS = [cell for cell in range(GRID * GRID) if cell not in MARKS]
UNTAGGED = 2


@dataclass(frozen=True)
class Tone:
    """One audio track: a sine tone of `seconds`; its first sample is at `start` seconds.

    With `clicks`, the track is silent except for a click of 10 ms at each of these times, in seconds from its start.
    """

    seconds: float = 1.0
    start: Fraction = Fraction(0)
    codec: str = "aac"
    sample_rate: int = 48_000
    sample_format: str | None = None
    layout: str = "mono"
    bit_rate: int | None = None
    language: str | None = None
    title: str | None = None
    dispositions: int = 0
    clicks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Clip:
    """Description of a test video; `pts` in `time_base` replaces the constant `rate`.

    `rotation` is the number of degrees clockwise by which a player rotates the stored frames. `color` contains
    primaries, transfer, matrix and range as FFmpeg's integers.
    """

    frames: int = 10
    size: tuple[int, int] = (64, 48)
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Sequence[int] | None = None
    rotation: int = 0
    mirrored: bool = False
    sample_aspect: Fraction = Fraction(1)
    color: tuple[int, int, int, int] = (UNTAGGED, UNTAGGED, UNTAGGED, 0)
    audio: tuple[Tone, ...] = ()
    b_frames: int = 2
    codec: str = "libx264"
    pix_fmt: str = "yuv444p"
    cover: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    muxer_options: dict[str, str] = field(default_factory=dict)
    encoder_options: dict[str, str] = field(default_factory=dict)


def draw(number: int, size: tuple[int, int]) -> Image.Image:
    """Draw frame `number` (0 to 1023)."""
    cells = dict(MARKS) | {cell: bool(number >> bit & 1) for bit, cell in enumerate(NUMBER_CELLS)}
    grid = Image.new("L", (GRID, GRID))
    grid.putdata([255 * cells[cell] for cell in range(GRID * GRID)])
    return grid.resize(size, Image.Resampling.NEAREST).convert("RGB")


def read_number(image: Image.Image) -> int:
    """Read a frame's number; raises AssertionError if it is not upright or was not made by `draw`."""
    width, height = image.size
    pixels = image.convert("L").tobytes()
    centers = [
        (int((cell % GRID + 0.5) * width / GRID), int((cell // GRID + 0.5) * height / GRID))
        for cell in range(GRID * GRID)
    ]
    cells = [pixels[y * width + x] for x, y in centers]
    assert all(value < 80 or value > 175 for value in cells), f"gray cells: {cells}"
    assert {cell: cells[cell] > 128 for cell in MARKS} == MARKS, f"not upright: {cells}"
    return sum((cells[cell] > 128) << bit for bit, cell in enumerate(NUMBER_CELLS))


def make_clip(path: Path, clip: Clip | None = None) -> Path:
    """Write the video; the suffix selects the container. Returns the path."""
    clip = clip or Clip()
    options = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", container_options=options | clip.muxer_options) as output:
        output.metadata.update(clip.metadata)
        cover = _cover_stream(output) if clip.cover else None
        video = _video_stream(output, clip)
        tracks = [_audio_stream(output, tone) for tone in clip.audio]
        packets = _video_packets(video, clip)
        if cover is not None:
            packets += cover.encode(av.VideoFrame.from_image(Image.new("RGB", (16, 16), "red"))) + cover.encode(None)
        for tone, stream in zip(clip.audio, tracks, strict=True):
            packets += _audio_packets(stream, tone)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def _video_stream(output, clip):
    stream = output.add_stream(clip.codec, rate=clip.rate)
    stream.pix_fmt = clip.pix_fmt
    width, height = clip.size
    stream.width, stream.height = (height, width) if clip.rotation in (90, 270) else (width, height)
    context = stream.codec_context
    context.time_base = clip.time_base or 1 / clip.rate
    context.sample_aspect_ratio = 1 / clip.sample_aspect if clip.rotation in (90, 270) else clip.sample_aspect
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = clip.color
    if clip.codec == "libx264":
        stream.options = {"crf": "8", "preset": "ultrafast", "bf": str(clip.b_frames), "g": "12"} | clip.encoder_options
    else:
        stream.options = clip.encoder_options
    if clip.rotation or clip.mirrored:
        stream.set_display_rotation(-clip.rotation, hflip=clip.mirrored)
    return stream


def _stored(image, clip):
    """Rotate an upright image to its orientation in the file."""
    if clip.mirrored:  # a player rotates first, then mirrors
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.rotate(clip.rotation, expand=True)


def _video_packets(stream, clip):
    packets = []
    for number in range(clip.frames):
        frame = av.VideoFrame.from_image(_stored(draw(number, clip.size), clip))
        frame = frame.reformat(format=clip.pix_fmt, dst_colorspace=5)
        frame.pts = clip.pts[number] if clip.pts is not None else number
        frame.time_base = stream.codec_context.time_base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _audio_stream(output, tone):
    stream = output.add_stream(tone.codec, rate=tone.sample_rate)
    stream.layout = tone.layout
    if tone.sample_format:
        stream.format = tone.sample_format
    if tone.bit_rate:
        stream.bit_rate = tone.bit_rate
    stream.disposition = Disposition(tone.dispositions)
    stream.codec_context.time_base = Fraction(1, tone.sample_rate)
    for key, value in (("language", tone.language), ("title", tone.title)):
        if value:
            stream.metadata[key] = value
    return stream


def _audio_packets(stream, tone):
    packets = []
    total = round(tone.seconds * tone.sample_rate)
    first = round(tone.start * tone.sample_rate)
    resampler = av.AudioResampler(format=stream.format.name, layout=tone.layout, rate=tone.sample_rate)
    for begin in range(0, total, 1024):
        count = min(1024, total - begin)
        samples = array.array("h", (_sample(tone, begin + i) for i in range(count)))
        frame = av.AudioFrame(format="s16", layout="mono", samples=count, align=1)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = tone.sample_rate
        frame.time_base = Fraction(1, tone.sample_rate)
        frame.pts = first + begin
        for converted in resampler.resample(frame):
            packets += stream.encode(converted)
    return packets + stream.encode(None)


def _sample(tone, position):
    seconds = position / tone.sample_rate
    if tone.clicks:
        is_audible = any(click <= seconds < click + 0.01 for click in tone.clicks)
        return int(24_000 * math.cos(1000 * math.tau * seconds)) if is_audible else 0
    return int(8000 * math.sin(440 * math.tau * seconds))


def _cover_stream(output):
    stream = output.add_stream("png", rate=1)
    stream.width = stream.height = 16
    stream.pix_fmt = "rgb24"
    stream.disposition = Disposition.attached_pic
    return stream
