"""Image headers: sizes as an image library displays them, and bounded work for any bytes."""

import io
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from frame_tools.contracts.errors import InputError
from frame_tools.media.image_header import (
    HEADER_BYTES,
    MAX_PAINTING_PIXELS,
    check_complete,
    kept_size,
    read_header,
    read_header_of_file,
)
from frame_tools.media.image_kinds import MAX_HEADER_PARTS, ImageHeader
from tests.support.heic import ROTATED_LEFT, encode_heic
from tests.support.hostile_images import overlapping_tiff, png_header, tiff_with_directory_last, webp_header

KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"]
WITH_EXIF = ["JPEG", "PNG", "WEBP", "TIFF"]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.radial_gradient("L").resize(size).convert("RGB")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 48), (1, 300), (17, 33)])
def test_header_has_kind_and_size(kind: str, size: tuple[int, int]) -> None:
    header = read_header(encoded(picture(size), kind))
    assert (header.kind, header.size) == (kind, size)


@pytest.mark.parametrize("kind", WITH_EXIF)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_as_displayed(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        assert read_header(data).size == ImageOps.exif_transpose(image).size


def test_rotated_avif_and_heic_are_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_header(encoded(picture(), "AVIF", exif=exif)).size == (48, 64)
    header = read_header(encode_heic(picture(), rotation=ROTATED_LEFT))
    assert (header.kind, header.size) == ("HEIF", (48, 64))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WEBP", {"lossless": True}),
        ("TIFF", {"big_tiff": True}),
        ("JPEG", {"progressive": True}),
        ("GIF", {"comment": b"x" * 3000}),
        ("JPEG", {"icc_profile": b"x" * 200_000}),
        *(
            (kind, {"save_all": True, "append_images": [picture().rotate(90)]})
            for kind in ("WEBP", "GIF", "AVIF", "PNG")
        ),
    ],
)
def test_variants_of_formats(kind: str, options: dict[str, object]) -> None:
    assert read_header(encoded(picture(), kind, **options)).size == (64, 48)


def test_gif_frame_may_exceed_its_screen() -> None:
    data = bytearray(encoded(picture(), "GIF"))
    data[6:10] = struct.pack("<HH", 1, 1)
    assert read_header(bytes(data)).size == (64, 48)


def test_beginning_of_a_file_is_sufficient() -> None:
    for kind in ("JPEG", "PNG"):
        data = encoded(picture((640, 480)), kind)
        assert read_header(data[: len(data) // 2]).size == (640, 480)


@pytest.mark.parametrize("is_big", [False, True], ids=["TIFF", "BigTIFF"])
def test_directory_behind_the_pixels_is_found(is_big: bool) -> None:
    data = tiff_with_directory_last((2000, 1000), orientation=8, is_big=is_big)
    file = CountingFile(data)
    assert len(data) > HEADER_BYTES
    assert read_header_of_file(file, len(data)).size == (1000, 2000)
    assert file.bytes_read < HEADER_BYTES + 2**17


class CountingFile(io.BytesIO):
    """Counts the bytes that are read."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def with_meta_last(heic: bytes, filler: int) -> bytes:
    """Return an HEIC file with `filler` bytes in front of its box with the items."""
    length = int.from_bytes(heic[:4], "big")
    return heic[:length] + struct.pack(">I4s", 8 + filler, b"free") + bytes(filler) + heic[length:]


def test_items_behind_the_pixels_are_found() -> None:
    data = with_meta_last(encode_heic(picture(), rotation=ROTATED_LEFT), HEADER_BYTES)
    assert read_header_of_file(io.BytesIO(data), len(data)).size == (48, 64)


def test_parts_of_a_file_that_are_read_are_limited() -> None:
    boxes = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + (struct.pack(">I4s", 2**20, b"free") + bytes(2**20 - 8)) * 40
    file = CountingFile(boxes)
    with pytest.raises(InputError):
        read_header_of_file(file, len(boxes))
    assert file.bytes_read < HEADER_BYTES + 2**10


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP", "BMP"])
def test_short_file_is_read_at_once(kind: str) -> None:
    data = encoded(picture(), kind)
    assert read_header_of_file(io.BytesIO(data), len(data)) == read_header(data)


def test_thumbnail_does_not_decide_on_heic() -> None:
    """The largest item and its rotation may not be those of the picture that is shown."""
    data = encode_heic(picture(), unused=[(640, 480)], unused_rotation=ROTATED_LEFT)
    assert read_header(data).size == (64, 48)


def test_cropped_heic_has_the_size_that_is_shown() -> None:
    header = read_header(encode_heic(picture(), crop=(51, 33), rotation=ROTATED_LEFT))
    assert (header.width, header.height, header.size) == (64, 48, (33, 51))


@pytest.mark.parametrize("data", [png_header(50_000, 50_000), webp_header(16_383, 16_383)])
def test_pixels_are_limited(data: bytes) -> None:
    with pytest.raises(InputError, match="pixels"):
        read_header(data)


def test_limits_are_inclusive() -> None:
    data = encoded(picture((40, 30)), "PNG")
    assert read_header(data, max_pixels=1200, max_bytes=len(data)).size == (40, 30)
    with pytest.raises(InputError, match="40x30"):
        read_header(data, max_pixels=1199)
    with pytest.raises(InputError, match=str(len(data))):
        read_header(data, max_bytes=len(data) - 1)


def test_overlapping_tags_are_rejected() -> None:
    with pytest.raises(InputError):
        read_header(overlapping_tiff())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xe0\0\2" * (MAX_HEADER_PARTS + 1),
        b"\xff\xd8" + b"\xff" * 2**20,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0) + bytes(12 * MAX_HEADER_PARTS),
        b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * (MAX_HEADER_PARTS + 1),
        b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1x" * (MAX_HEADER_PARTS + 1),
        b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + b"\0\0\0\x08free" * (MAX_HEADER_PARTS + 1),
    ],
    ids=["JPEG segments", "JPEG fill bytes", "PNG chunks", "GIF extensions", "GIF blocks", "AVIF boxes"],
)
def test_number_of_parts_is_limited(data: bytes) -> None:
    with pytest.raises(InputError):
        read_header(data)


@pytest.mark.parametrize("data", [b"", b"not an image", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"BM", b"RIFF"])
def test_other_files_are_rejected(data: bytes) -> None:
    with pytest.raises(InputError):
        read_header(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_cut_file_is_detected(kind: str) -> None:
    data = encoded(picture(), kind)
    check_complete(data, read_header(data))
    with pytest.raises(InputError):
        check_complete(data[:-20], read_header(data[:-20]))


def test_large_painting_is_kept_smaller() -> None:
    assert kept_size(64, 48) == (64, 48)
    width, height = kept_size(10_000, 8_000)
    assert width * height <= 7680 * 4320 < (width + 2) * (height + 2)
    assert kept_size(MAX_PAINTING_PIXELS, 1)[1] == 1


@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.binary(min_size=1, max_size=9))
def test_damaged_header_is_read_or_rejected(kind: str, place: int, junk: bytes) -> None:
    data = encoded(picture((32, 24)), kind)
    place %= min(len(data), 400)
    with suppress(InputError):
        assert isinstance(read_header(data[:place] + junk + data[place + len(junk) :]), ImageHeader)
