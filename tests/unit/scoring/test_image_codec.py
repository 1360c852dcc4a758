"""Every kind of JPEG and PNG decodes to uint8 RGB; other files are rejected by name."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from frame_tools.contracts.errors import InputError
from scoring import image_codec
from tests.support.heic import encode_heic

GRADIENT = np.stack(np.broadcast_arrays(np.arange(0, 240, 5)[:, None], np.arange(0, 256, 4)[None], 90), axis=2).astype(
    np.uint8
)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_png_modes(mode):
    image = Image.fromarray(GRADIENT).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(image_codec.decode(encoded(image, "PNG"), "a.png"), expected)


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 100}, 6),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 100}, 8),
        ("AVIF", {"quality": 100}, 8),
        ("BMP", {}, 0),
    ],
)
def test_other_kinds_of_frames(kind, options, error):
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(GRADIENT), kind, **options), "a")
    assert decoded.alpha is None
    assert np.abs(decoded.picture.astype(int) - GRADIENT).max() <= error


@pytest.mark.parametrize("rotation", [0, 1, 2, 3])
def test_heic_frames_are_upright(rotation):
    decoded = image_codec.decode(encode_heic(Image.fromarray(GRADIENT), rotation=rotation), "a.heic")
    assert np.abs(decoded.astype(int) - np.rot90(GRADIENT, rotation)).max() <= 8


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_transparency_and_orientation_of_other_kinds(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels, on_white = layers()
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(pixels), kind, exif=exif, **options), "a")
    assert np.array_equal(np.asarray(decoded.alpha), np.rot90(pixels[..., 3], -1))
    assert np.abs(decoded.picture - np.rot90(on_white, -1)).max() <= 1


@pytest.mark.parametrize("brightest", [200, 65_535])
def test_16_bit_tiff_keeps_its_high_bytes(brightest):
    """A dark frame of a sequence must not become as bright as the others."""
    wide = np.linspace(0, brightest, 48 * 64).reshape(48, 64).astype(np.uint16)
    decoded = image_codec.decode(encoded(Image.fromarray(wide), "TIFF"), "a.tif")
    assert np.abs(decoded[..., 0].astype(int) - (wide >> 8)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes(mode):
    image = Image.fromarray(GRADIENT).convert(mode)
    decoded = image_codec.decode(encoded(image, "JPEG", quality=100, subsampling=0), "a.jpg")
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(decoded - expected).max() <= 4


def test_16_bit_png_keeps_its_high_bytes():
    wide = GRADIENT[..., 0].astype(np.uint16) * 256 + 77
    decoded = image_codec.decode(encoded(Image.fromarray(wide), "PNG"), "a.png")
    assert np.abs(decoded.astype(int) - GRADIENT[..., :1]).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_exif_orientation_is_applied(mode):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    data = encoded(Image.fromarray(GRADIENT).convert(mode), "JPEG", exif=exif)
    assert image_codec.decode(data, "a.jpg").shape == (64, 48, 3)


def test_transparent_parts_are_blended_with_white():
    pixels = np.dstack([GRADIENT, np.zeros(GRADIENT.shape[:2], np.uint8)])
    pixels[0, :, 3] = 255
    decoded = image_codec.decode(encoded(Image.fromarray(pixels), "PNG"), "a.png")
    assert np.array_equal(decoded[0], GRADIENT[0])
    assert (decoded[1:] == 255).all()


def test_truncated_transparent_png_is_named():
    pixels = np.dstack([GRADIENT, GRADIENT[..., 0]])
    with pytest.raises(InputError, match=r"a\.png"):
        image_codec.decode(encoded(Image.fromarray(pixels), "PNG")[:-400], "a.png")


def layers():
    """Return a picture with every level of transparency, and the picture as it looks on white."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (64, 256, 4), np.uint8)
    pixels[..., 3] = np.arange(256)
    alpha = pixels[..., 3:] / 255
    return pixels, pixels[..., :3] * alpha + 255 * (1 - alpha)


def test_alpha_is_returned_beside_the_picture():
    pixels, on_white = layers()
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(pixels), "PNG"), "a.png")
    assert np.array_equal(np.asarray(decoded.alpha), pixels[..., 3])
    assert np.abs(decoded.picture - on_white).max() <= 1
    assert np.array_equal(decoded.picture, image_codec.decode(encoded(Image.fromarray(pixels), "PNG"), "a.png"))


def test_opaque_image_has_no_alpha():
    for data in (image_codec.encode_jpeg(GRADIENT), image_codec.encode_png(GRADIENT)):
        assert image_codec.decode_with_alpha(data, "a").alpha is None


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_color_becomes_alpha(mode):
    drawn = Image.new("RGB", (8, 6), (0, 255, 0))
    drawn.paste("white", (0, 0, 4, 6))
    image = drawn.convert(mode)
    clear = image.getpixel((7, 5))
    decoded = image_codec.decode_with_alpha(encoded(image, "PNG", transparency=clear), "a.png")
    assert np.array_equal(
        np.asarray(decoded.alpha), np.where(np.arange(8) < 4, 255, 0).astype(np.uint8)[None].repeat(6, axis=0)
    )
    assert (decoded.picture == 255).all()


def test_16_bit_gray_with_transparent_level():
    wide = GRADIENT[..., 0].astype(np.uint16) * 256 + 77
    data = encoded(Image.fromarray(wide), "PNG", transparency=int(wide[10, 0]))
    decoded = image_codec.decode_with_alpha(data, "a.png")
    clear = wide == wide[10, 0]
    assert np.array_equal(np.asarray(decoded.alpha), np.where(clear, 0, 255))
    assert np.array_equal(decoded.picture[..., 0], np.where(clear, 255, GRADIENT[..., 0]))


def test_exif_orientation_applies_to_alpha():
    pixels, _ = layers()
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(pixels), "PNG", exif=exif), "a.png")
    assert np.array_equal(np.asarray(decoded.alpha), np.rot90(pixels[..., 3], -1))
    assert decoded.picture.shape == (256, 64, 3)


def reread(data):
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGBA"
        return np.array(image)


@given(st.integers(1, 40), st.integers(1, 40))
def test_encode_png_keeps_alpha_exactly(height, width):
    random = np.random.default_rng(height * 41 + width)
    picture, alpha = random.integers(0, 256, (height, width, 3), np.uint8), random.integers(0, 256, (height, width))
    delivered = reread(image_codec.encode_png(picture, alpha.astype(np.uint8)))
    assert np.array_equal(delivered[..., 3], alpha)
    opaque = alpha == 255
    assert np.array_equal(delivered[opaque, :3], picture[opaque])
    clear = alpha == 0
    assert np.array_equal(delivered[clear, :3], picture[clear])


def test_encoded_picture_looks_the_same_on_white():
    pixels, _ = layers()
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(pixels), "PNG"), "a.png")
    again = image_codec.decode_with_alpha(image_codec.encode_png(decoded.picture, decoded.alpha), "b.png")
    assert np.abs(again.picture.astype(int) - decoded.picture).max() <= 1
    assert np.array_equal(np.asarray(again.alpha), np.asarray(decoded.alpha))


def test_semi_transparent_edges_do_not_glow():
    # A red disc with soft edges: over black, its edge must be dark red and not the pink that it is over white.
    alpha = np.array([[255, 128, 64, 1]], np.uint8)
    red = np.full((1, 4, 4), (200, 0, 0, 0), np.uint8)
    red[..., 3] = alpha
    decoded = image_codec.decode_with_alpha(encoded(Image.fromarray(red), "PNG"), "a.png")
    delivered = reread(image_codec.encode_png(decoded.picture, decoded.alpha))
    over_black = delivered[..., :3] * (delivered[..., 3:] / 255)
    assert np.abs(over_black - red[..., :3] * (alpha[..., None] / 255)).max() <= 2


@given(st.integers(1, 40), st.integers(1, 40))
def test_png_round_trip_is_exact(height, width):
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(image_codec.decode(image_codec.encode_png(picture), "a.png"), picture)


def test_encode_jpeg_does_not_subsample():
    red_and_blue = np.zeros((32, 32, 3), np.uint8)
    red_and_blue[:, ::2, 0] = red_and_blue[:, 1::2, 2] = 200
    data = image_codec.encode_jpeg(red_and_blue)
    with Image.open(io.BytesIO(data)) as image:
        assert isinstance(image, JpegImageFile)
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)
    assert np.abs(image_codec.decode(data, "a.jpg").astype(int) - red_and_blue).max() <= 12


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        image_codec.encode_jpeg(GRADIENT)[:-300],
        image_codec.encode_png(GRADIENT)[:-300],
        encoded(Image.fromarray(GRADIENT), "GIF"),
        encoded(Image.fromarray(GRADIENT).convert("CMYK"), "JPEG")[:-300],
    ],
    ids=["empty", "text", "cut JPEG", "cut PNG", "GIF", "cut CMYK"],
)
def test_undecodable_file_is_named(data):
    with pytest.raises(InputError, match=r"frame_00007\.jpg.*Upload"):
        image_codec.decode(data, "frame_00007.jpg")


@pytest.mark.parametrize("side", [8_193, 10_000, 60_000])
def test_oversized_image_is_rejected_by_header(side):
    header = bytearray(encoded(Image.new("1", (8, 8)), "PNG"))
    header[16:24] = side.to_bytes(4, "big") * 2
    header[29:33] = __import__("zlib").crc32(header[12:29]).to_bytes(4, "big")
    with pytest.raises(InputError, match=r"big\.png has more than"):
        image_codec.decode(bytes(header), "big.png")


def test_jpeg_without_end_marker_is_decoded():
    out = io.BytesIO()
    Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 50).convert("RGB").save(out, "JPEG", quality=95)
    whole = image_codec.decode(out.getvalue(), "whole")
    assert np.abs(image_codec.decode(out.getvalue()[:-2], "cut").astype(int) - whole).max() <= 3
    with pytest.raises(InputError, match="half"):
        image_codec.decode(out.getvalue()[: len(out.getvalue()) // 2], "half")
