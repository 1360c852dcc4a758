"""Videos that compare a painted video with its original, and short loops of it as GIF or WebP."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageDraw

from frame_tools.contracts.batch_borders import even_borders
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.containers import open_input
from frame_tools.media.files import atomic_output
from frame_tools.media.frame_folder import FRAMES_FOLDER
from frame_tools.media.images import read_rgb
from frame_tools.media.join import Segment, join
from frame_tools.media.probe import select_video_stream
from frame_tools.media.segment import SegmentEncoder
from frame_tools.media.video_reader import VideoReader

CompareKind = Literal["side", "wipe"]
"""A comparing video: original and painting side by side, or a border that moves over one picture."""
MAX_HALF_WIDTH: Final = 1920
"""Width of each half of a video side by side; larger pictures are scaled down."""
WIPE_SECONDS: Final = 6.0
"""Time in which the border moves from left to right and back."""
SEGMENT_FRAMES: Final = 250
LOOP_SECONDS: Final = 3.0
LOOP_RATE: Final = 12
"""Frames per second of a loop, at most."""
LOOP_WIDTH: Final = 480
DEFAULT_RATE: Final = 25
"""Frames per second of a video of a single frame, which has no rate."""
_LINE: Final = (255, 255, 255)


def write_comparison(painted: Path, folder: Path, manifest: Manifest, out: Path, *, kind: CompareKind) -> None:
    """Write a video of original and painting with the original's timestamps and sound."""
    width, height = _compared_size(manifest, kind)
    compared = manifest.model_copy(update={"width": width, "height": height, "projection": None, "stereo": None})
    frames = _compared_frames(painted, folder, manifest, kind)

    def encode(start: int, end: int) -> Segment:
        encoder = SegmentEncoder(compared)
        for image in islice(frames, end - start):
            encoder.add(image.tobytes())
        return Segment(f"frames {start} to {end - 1}", end - start, encoder.finish())

    borders = even_borders(manifest.frame_count, SEGMENT_FRAMES)
    segments = (encode(start, end) for start, end in pairwise(borders))
    join(compared, segments, audio=folder / manifest.audio_file if manifest.audio_file else None, out=out)


def write_loop(painted: Path, out: Path) -> None:
    """Write the first three seconds of a painted video as an animation that repeats: a GIF or WebP, by the suffix."""
    rate = frame_rate(painted)
    step = max(1, math.ceil(rate / LOOP_RATE))
    count = max(1, round(LOOP_SECONDS * rate))
    images = [_small(image) for image in islice(painted_images(painted), 0, count, step)]
    write_animation(images, out, milliseconds=max(20, round(1000 * step / rate)))


def write_animation(images: Sequence[Image.Image], out: Path, *, milliseconds: int) -> None:
    """Write images of one size as an animation that repeats, a GIF or WebP by the suffix; each is shown so long."""
    with atomic_output(out) as part:
        images[0].save(
            part, out.suffix.removeprefix(".").upper(), save_all=True, append_images=images[1:],
            duration=milliseconds, loop=0, **({"quality": 75} if out.suffix == ".webp" else {}),
        )  # fmt: skip


def painted_images(video: Path) -> Iterator[Image.Image]:
    """Yield the frames of a video that Impasto wrote."""
    with open_input(video) as container:
        yield from VideoReader(container, select_video_stream(container, video.name, video), name=video.name).images()


def frame_rate(video: Path) -> float:
    """Return the average rate of a video that Impasto wrote, in frames per second."""
    with open_input(video) as container:
        return float(select_video_stream(container, video.name, video).average_rate or DEFAULT_RATE)


def _compared_size(manifest: Manifest, kind: CompareKind) -> tuple[int, int]:
    """Return (width, height) of the comparing video."""
    if kind == "wipe":
        return manifest.width, manifest.height
    factor = min(Fraction(1), Fraction(MAX_HALF_WIDTH, manifest.width))
    return 2 * max(1, round(manifest.width * factor)), max(1, round(manifest.height * factor))


def _compared_frames(painted: Path, folder: Path, manifest: Manifest, kind: CompareKind) -> Iterator[Image.Image]:
    size = (manifest.width, manifest.height)
    width, height = _compared_size(manifest, kind)
    pts = manifest.frame_pts
    for index, image in enumerate(painted_images(painted)):
        before = read_rgb((folder / FRAMES_FOLDER / manifest.frame_name(index)).read_bytes())
        if before.size != size:  # the manifest is that of a painted video that is larger than its original
            before = before.resize(size, Image.Resampling.LANCZOS)
        after = _without_padding(image, size)
        if kind == "side":
            yield side_by_side(before, after, (width // 2, height))
        else:
            yield wiped(before, after, float((pts[index] - pts[0]) * manifest.time_base))


def _without_padding(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a painted frame in the size of its original.

    A video with odd sides repeats its last column or row; one of a scorer that enlarges is several times as large.
    """
    factor = max(1, min(image.width // size[0], image.height // size[1]))
    cropped = image.crop((0, 0, size[0] * factor, size[1] * factor))
    return cropped if factor == 1 else cropped.resize(size, Image.Resampling.LANCZOS)


def side_by_side(before: Image.Image, after: Image.Image, half: tuple[int, int]) -> Image.Image:
    """Return the original on the left and the painting on the right, each of the size `half` (width, height)."""
    canvas = Image.new("RGB", (2 * half[0], half[1]))
    for place, image in enumerate((before, after)):
        fitted = image if image.size == half else image.resize(half, Image.Resampling.LANCZOS)
        canvas.paste(fitted, (place * half[0], 0))
    return canvas


def wiped(before: Image.Image, after: Image.Image, seconds: float) -> Image.Image:
    """Return the painting left of a white line and the original right of it; the line moves with time."""
    width, height = after.size
    phase = seconds / WIPE_SECONDS % 1
    border = round(width * (2 * phase if phase < 0.5 else 2 - 2 * phase))
    canvas = before.copy()
    canvas.paste(after.crop((0, 0, border, height)), (0, 0))
    line = max(1, width // 400)
    ImageDraw.Draw(canvas).rectangle((border - line, 0, border, height), fill=_LINE)
    return canvas


def _small(image: Image.Image) -> Image.Image:
    factor = min(1.0, LOOP_WIDTH / image.width)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)
