"""Common image formats decode to upright 8-bit RGB; bombs, damage and unsupported formats are rejected."""

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat, PngImagePlugin

from frame_tools.contracts.errors import InputError
from frame_tools.media import images
from frame_tools.media.image_header import KEPT_PAINTING_PIXELS, MAX_PAINTING_PIXELS, read_header
from tests.support.clips import draw, read_number
from tests.support.heic import ROTATED_LEFT, encode_heic


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_read_rgb_converts_png_modes(mode: str) -> None:
    image = images.read_rgb(encoded(draw(77, (64, 48)).convert(mode)))
    assert image.mode == "RGB"
    assert read_number(image) == 77


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_read_rgb_supports_format(kind: str) -> None:
    assert read_number(images.read_rgb(encoded(draw(300, (64, 48)), kind))) == 300


def test_cmyk_jpeg_is_not_inverted() -> None:
    assert read_number(images.read_rgb(encoded(draw(9, (64, 48)).convert("CMYK"), "JPEG"))) == 9


def test_16_bit_grayscale_is_scaled_not_clipped() -> None:
    gray = Image.frombytes("I;16", (2, 1), struct.pack("<2H", 0x4000, 0xFFFF))
    assert list(images.read_rgb(encoded(gray)).tobytes()) == [64, 64, 64, 255, 255, 255]


def test_transparency_is_composited_on_white() -> None:
    glass = Image.new("RGBA", (2, 2), (200, 0, 0, 0))
    assert images.read_rgb(encoded(glass)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose values that produce the stored image
    upright = draw(513, (64, 48))
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "JPEG", exif=exif, quality=95)
    assert read_number(images.read_rgb(data)) == 513


def test_encoders_preserve_the_image() -> None:
    image = Image.radial_gradient("L").convert("RGB")
    assert ImageChops.difference(images.read_rgb(images.encode_png(image)), image).getbbox() is None
    difference = ImageChops.difference(images.read_rgb(images.encode_jpeg(image)), image)
    assert max(high for _, high in ImageStat.Stat(difference).extrema) <= 8


def test_jpeg_keeps_full_chroma_resolution() -> None:
    stripes = Image.new("RGB", (16, 16))
    stripes.putdata([((255, 0, 0) if x % 2 else (0, 0, 255)) for _ in range(16) for x in range(16)])
    pixel = images.read_rgb(images.encode_jpeg(stripes)).getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200


def test_decompression_bomb_is_rejected_by_header() -> None:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(InputError, match="pixels"):
        images.read_rgb(data)


@pytest.mark.parametrize("data", [b"", b"not an image", b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_unsupported_data_is_rejected(data: bytes) -> None:
    with pytest.raises(InputError, match="not a readable image"):
        images.read_rgb(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
def test_truncated_image_is_rejected(kind: str) -> None:
    data = encoded(Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB"), kind)
    with pytest.raises(InputError):
        images.read_rgb(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns about TIFF tags that it skips
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]),
    st.integers(0, 10**6),
    st.binary(min_size=1, max_size=9),
)
def test_damaged_image_decodes_or_raises_input_error(kind: str, place: int, junk: bytes) -> None:
    data = encoded(draw(1000, (32, 24)), kind)
    place %= len(data)
    damaged = data[:place] + junk + data[place + len(junk) :]
    with suppress(InputError):
        assert images.read_rgb(damaged).mode == "RGB"


def test_png_with_much_text_is_read() -> None:
    """Programs such as ComfyUI store their whole workflow in a picture."""
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", "x" * 1_500_000, zip=True)
    assert read_number(images.read_rgb(encoded(draw(71, (64, 48)), pnginfo=text))) == 71


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}], ids=["4:4:4", "progressive", "4:2:0"]
)
@pytest.mark.parametrize("missing", [1, 2, 12])
def test_jpeg_without_its_end_is_read(missing: int, options: dict[str, object]) -> None:
    image = Image.effect_mandelbrot((128, 96), (-2, -1, 1, 1), 50).convert("RGB")
    data = encoded(image, "JPEG", quality=95, **{"subsampling": 0} | options)
    read = images.read_rgb(data[:-missing])
    upper = (0, 0, 128, 76)
    assert read.crop(upper).tobytes() == images.read_rgb(data).crop(upper).tobytes()


def test_floating_point_image_goes_from_0_to_1() -> None:
    gray = Image.new("F", (2, 2), 0.5)
    assert images.read_rgb(encoded(gray, "TIFF")).getpixel((0, 0)) == pytest.approx((127, 127, 127), abs=1)
    levels = Image.new("F", (2, 2), 200.0)
    assert images.read_rgb(encoded(levels, "TIFF")).getpixel((0, 0)) == (200, 200, 200)


def test_avif_is_read() -> None:
    assert read_number(images.read_rgb(encoded(draw(300, (64, 48)), "AVIF"))) == 300


def test_heic_is_read_upright() -> None:
    stored = draw(300, (96, 64))
    assert read_number(images.read_rgb(encode_heic(stored))) == 300
    turned = encode_heic(stored.transpose(Image.Transpose.ROTATE_270), rotation=ROTATED_LEFT)
    assert read_header(turned).size == (96, 64)
    assert read_number(images.read_painting(turned)) == 300


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_truncated_heic_is_rejected(share: float) -> None:
    data = encode_heic(draw(300, (96, 64)))
    with pytest.raises(InputError):
        images.read_rgb(data[: int(share * len(data))])


def test_large_painting_is_scaled_down() -> None:
    scan = Image.new("1", (8000, 6000), 1)  # 48 megapixels
    painting = images.read_painting(encoded(scan))
    assert painting.width * painting.height <= KEPT_PAINTING_PIXELS
    assert painting.width / painting.height == pytest.approx(8000 / 6000, rel=0.001)
    assert painting.getpixel((100, 100)) == (255, 255, 255)
    assert images.read_painting(encoded(draw(5, (64, 48)))).size == (64, 48)


def test_huge_painting_is_rejected_by_its_limit() -> None:
    with pytest.raises(InputError, match="9300x9200") as caught:
        images.read_painting(encoded(Image.new("1", (9300, 9200))))
    assert str(MAX_PAINTING_PIXELS) in caught.value.remedy
