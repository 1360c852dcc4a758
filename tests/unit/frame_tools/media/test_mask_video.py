"""Mask videos are treated as the videos that they belong to: cropped, turned and deinterlaced alike."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageStat

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.mask_video import MaskVideo
from frame_tools.media.split import split
from tests.support.clips import Clip, draw, make_clip, read_number
from tests.support.interlaced import ENCODINGS, write_interlaced
from tests.support.media import frame_images
from tests.support.mp4_edits import box
from tests.support.track_header_edits import (
    MATROSKA_LIVE,
    MP4_INDEX_LAST,
    add_to_sample_entry,
    clean_aperture,
    crop_matroska,
)

PNG = SplitOptions(image_format="png")
APERTURE = (40, 20)
OFFSET = (6, 4)
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
# The corner that is shown at the top left, top right, bottom left and bottom right, in the order of CORNERS.
ORIENTATIONS = {
    (0, False): (0, 1, 2, 3),
    (90, False): (2, 0, 3, 1),
    (180, False): (3, 2, 1, 0),
    (270, False): (1, 3, 0, 2),
    (0, True): (1, 0, 3, 2),
    (90, True): (0, 2, 1, 3),
    (180, True): (2, 3, 0, 1),
    (270, True): (3, 1, 2, 0),
}


def write_turned(path: Path, rotation: int, *, mirrored: bool) -> None:
    """Write a file whose aperture has a color in each corner; everything around it is black."""
    left, top = 32 - APERTURE[0] // 2 + OFFSET[0], 24 - APERTURE[1] // 2 + OFFSET[1]
    stored = Image.new("RGB", (64, 48))
    for index, color in enumerate(CORNERS):
        half = APERTURE[0] // 2, APERTURE[1] // 2
        stored.paste(color, (left + index % 2 * half[0], top + index // 2 * half[1], *_end(left, top, half, index)))
    with av.open(str(path), "w", container_options=MP4_INDEX_LAST) as output:
        stream = output.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        stream.set_display_rotation(-rotation, hflip=mirrored)
        for number in range(2):
            frame = av.VideoFrame.from_image(stored)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    add_to_sample_entry(path, clean_aperture(*APERTURE, *OFFSET))


def _end(left: int, top: int, half: tuple[int, int], index: int) -> tuple[int, int]:
    return left + (index % 2 + 1) * half[0], top + (index // 2 + 1) * half[1]


def corners(image: Image.Image) -> list[object]:
    width, height = image.size
    return [image.getpixel((x, y)) for y in (0, height - 1) for x in (0, width - 1)]


@pytest.mark.parametrize(("rotation", "mirrored"), ORIENTATIONS.keys())
def test_cropped_and_turned_video_is_shown_as_by_a_player(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    """The clean aperture lies in the stored frame; the matrix of the track turns what is in it."""
    write_turned(tmp_path / "v.mov", rotation, mirrored=mirrored)
    manifest = split(tmp_path / "v.mov", tmp_path / "out", PNG)
    image = frame_images(tmp_path / "out", manifest)[1]
    assert (manifest.width, manifest.height) == image.size
    assert image.size == (APERTURE if rotation in (0, 180) else APERTURE[::-1])
    expected = [CORNERS[index] for index in ORIENTATIONS[rotation, mirrored]]
    assert corners(image) == expected
    mask = next(MaskVideo(tmp_path / "v.mov", name="mask").images(1))
    assert corners(mask) == pytest.approx([luma(color) for color in expected], abs=1)


def luma(color: tuple[int, int, int]) -> float:
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def in_memory(path: Path) -> io.BytesIO:
    return io.BytesIO(path.read_bytes())


@pytest.mark.parametrize("opened", [Path, in_memory], ids=["file", "bytes"])
@pytest.mark.parametrize("start", [0, 5])
def test_masks_have_the_crop_of_the_video(tmp_path: Path, opened: Callable[[Path], Path], start: int) -> None:
    whole = make_clip(tmp_path / "whole.mkv", Clip(muxer_options=MATROSKA_LIVE))
    path = make_clip(tmp_path / "v.mkv", Clip(muxer_options=MATROSKA_LIVE))
    crop_matroska(path, {"left": 16, "top": 12, "bottom": 4})
    images = list(MaskVideo(opened(path), name="mask").images(start))
    plain = list(MaskVideo(whole, name="mask").images(start))
    assert [image.tobytes() for image in images] == [image.crop((16, 12, 64, 44)).tobytes() for image in plain]
    assert len(images) == 10 - start


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    return float(ImageStat.Stat(ImageChops.difference(one, other)).mean[0])


@pytest.mark.parametrize("start", [0, 1, 7])
@pytest.mark.parametrize(("suffix", "codec", "options"), ENCODINGS.values(), ids=ENCODINGS.keys())
def test_interlaced_masks_are_deinterlaced_as_the_video(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], start: int
) -> None:
    path = tmp_path / f"v{suffix}"
    write_interlaced(path, codec, options)
    frames = frame_images(tmp_path / "out", split(path, tmp_path / "out", PNG))
    masks = list(MaskVideo(path, name="mask").images(start))
    assert len(masks) == len(frames) - start
    for mask, frame in zip(masks, frames[start:], strict=True):
        assert mean_difference(mask, frame.convert("L")) < 0.6


def animation(kind: str) -> bytes:
    file = io.BytesIO()
    first, *rest = (draw(number, (64, 48)) for number in range(6))
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(file, kind, save_all=True, append_images=rest, duration=40, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF"])
def test_animations_are_masks(tmp_path: Path, kind: str) -> None:
    data = animation(kind)
    path = tmp_path / "mask"
    path.write_bytes(data)
    for video in (MaskVideo(path, name="mask"), MaskVideo(io.BytesIO(data), name="mask")):
        for start in (0, 4, 2):
            assert [read_number(image.convert("RGB")) for image in video.images(start)] == list(range(start, 6))


def test_damaged_animation_is_named() -> None:
    with pytest.raises(InputError, match="matte is damaged"):
        MaskVideo(io.BytesIO(animation("WEBP")[:400]), name="matte")


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("v.webm", "libvpx-vp9", "yuva420p"), ("v.mov", "prores_ks", "yuva444p10le"), ("v.avi", "png", "rgba")],
)
def test_transparent_parts_of_mask_videos_are_black(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    """As in mask images: what is not there is not painted, whatever color lies below."""
    layer = Image.new("RGBA", (64, 48), (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), (0, 0, 32, 48))
    with av.open(str(tmp_path / name), "w") as output:
        stream = output.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        if codec == "prores_ks":
            stream.options = {"profile": "4444"}
        for number in range(3):
            frame = av.VideoFrame(64, 48, "rgba")
            frame.planes[0].update(layer.tobytes())
            converted = frame.reformat(format=pixel_format)
            converted.pts, converted.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    masks = list(MaskVideo(tmp_path / name, name="mask").images(1))
    assert len(masks) == 2
    assert masks[0].getpixel((10, 24)) == pytest.approx(255, abs=4)
    assert masks[0].getpixel((54, 24)) == pytest.approx(0, abs=4)


def test_encrypted_mask_is_called_encrypted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "v.mp4", Clip(frames=2, muxer_options=MP4_INDEX_LAST))
    add_to_sample_entry(path, box(b"sinf", b""))
    with pytest.raises(InputError, match="encrypted"):
        MaskVideo(path, name="mask")
