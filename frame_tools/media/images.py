"""Still images: decode common formats to 8-bit RGB within limits, and encode JPEG and PNG frames.

Images come from untrusted sources. Bytes and pixels are limited by `image_header` before anything is decoded, and only
the format that it detects is tried (some of Pillow's other readers start programs or follow links).
"""

import io
import struct
import zlib
from typing import Final

import pi_heif
from av.video.frame import VideoFrame
from PIL import Image, ImageChops, ImageOps, PngImagePlugin

from frame_tools.contracts.errors import InputError
from frame_tools.media.image_header import (
    MAX_BYTES,
    MAX_PAINTING_PIXELS,
    MAX_PIXELS,
    UNREADABLE_REMEDY,
    kept_size,
    read_header,
)

JPEG_QUALITY: Final = 95
_PNG_COMPRESSION: Final = 1  # frames are written once and read once: speed matters more than size
# What Pillow's readers raise on damaged files, besides OSError.
DECODE_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    struct.error,
    zlib.error,
    OverflowError,
)
_JPEG_BEGIN: Final = b"\xff\xd8"
_JPEG_END: Final = b"\xff\xd9"
_JPEG_FILLER: Final = b"\x35\xa6" * 32
_MAX_BLOCK_ROWS: Final = 18  # the last blocks, and the lines above that their interpolated chroma reaches

# Pillow's limits of 1 MiB are below the workflows and color profiles that programs store in PNG files.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_BYTES
PngImagePlugin.MAX_TEXT_MEMORY = MAX_BYTES
pi_heif.register_heif_opener(decode_threads=1, thumbnails=False)


def read_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Image.Image:
    """Decode an image to mode RGB, 8 bits per channel, upright.

    Transparent parts are composited on white, 16-bit grayscale keeps its upper eight bits, and an animation is
    reduced to its first frame. Raises InputError if the format is not supported, or the image is damaged, truncated
    or too large.
    """
    try:
        return _decode_rgb(data, max_pixels, max_bytes)
    except InputError:
        completed = _completed_jpeg(data, max_pixels)
        if completed is None:
            raise
        return completed


def read_painting(data: bytes) -> Image.Image:
    """Decode a painting as `read_rgb` does; one of more than `image_header.KEPT_PAINTING_PIXELS` is scaled down.

    Raises InputError also if it has more than `MAX_PAINTING_PIXELS`.
    """
    image = read_rgb(data, max_pixels=MAX_PAINTING_PIXELS)
    size = kept_size(*image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _decode_rgb(data: bytes, max_pixels: int, max_bytes: int) -> Image.Image:
    with _open_image(data, max_pixels, max_bytes) as image:
        try:
            return _to_rgb(ImageOps.exif_transpose(image))
        except DECODE_ERRORS as error:
            raise _damaged(error) from error


def _completed_jpeg(data: bytes, max_pixels: int) -> Image.Image | None:
    """Return a JPEG that lacks only its end marker or a part of its last row of blocks; None for any other image.

    The decoder fills what is missing from whatever follows. So the image is decoded with two different continuations:
    rows that are equal come from the file.
    """
    if not data.startswith(_JPEG_BEGIN) or data.endswith(_JPEG_END):
        return None
    body = data.rstrip(b"\xff")
    try:
        image, other = (
            _decode_rgb(completed, max_pixels, len(completed))
            for completed in (body + _JPEG_END, body + _JPEG_FILLER + _JPEG_END)
        )
    except InputError:
        return None
    unsure = ImageChops.difference(image, other).getbbox()
    if unsure is None:
        return image
    left, top, right, bottom = unsure
    is_last_row = min(right, bottom, image.width - left, image.height - top) <= _MAX_BLOCK_ROWS
    return image if is_last_row else None


def encode_jpeg(image: Image.Image) -> bytes:
    """Encode an RGB image as JPEG: quality 95, chroma at full resolution (4:4:4)."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def encode_png(image: Image.Image) -> bytes:
    """Encode an RGB image as PNG: lossless, with light compression."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_PNG_COMPRESSION)
    return out.getvalue()


def rgb_from_frame(frame: VideoFrame) -> Image.Image:
    """Copy a video frame of format rgb24 into an image."""
    plane = frame.planes[0]
    return Image.frombytes("RGB", (frame.width, frame.height), memoryview(plane), "raw", "RGB", plane.line_size)


def rgba_from_frame(frame: VideoFrame) -> Image.Image:
    """Copy a video frame of format rgba into an image."""
    plane = frame.planes[0]
    return Image.frombytes("RGBA", (frame.width, frame.height), memoryview(plane), "raw", "RGBA", plane.line_size)


def on_white(image: Image.Image) -> Image.Image:
    """Composite an image of mode RGBA on white; returns mode RGB."""
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _open_image(data: bytes, max_pixels: int, max_bytes: int) -> Image.Image:
    """Open an image, after its header was checked: some of Pillow's readers allocate memory when they open a file."""
    header = read_header(data, max_pixels=max_pixels, max_bytes=max_bytes)
    try:
        image = Image.open(io.BytesIO(data), formats=[header.kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except DECODE_ERRORS as error:
        raise InputError("The file is not a readable image", UNREADABLE_REMEDY) from error
    if image.width * image.height > max_pixels:
        image.close()
        raise _too_large(max_pixels)
    return image


def _too_large(max_pixels: int) -> InputError:
    return InputError("The image has too many pixels", f"Use an image of at most {max_pixels} pixels.")


def _damaged(error: Exception) -> InputError:
    return InputError(f"The image is damaged ({error})", UNREADABLE_REMEDY)


def _scale_to_8_bits(image: Image.Image) -> float:
    """Return the factor from the levels of deep grayscale to 0 to 255.

    Images of 32 bits have the levels of 8 or 16 bits, those of floating-point numbers also go from 0 to 1.
    """
    if image.mode.startswith("I;16"):
        return 1 / 256
    brightest = float(image.getextrema()[1] or 0)  # type: ignore[arg-type]
    is_unit = image.mode.startswith("F") and brightest <= 1
    return 255.0 if is_unit else 1 / 256 if brightest > 255 else 1.0


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode.startswith(("I", "F")):
        # Pillow clips 16-bit grayscale when it converts it; scale it first.
        scale = _scale_to_8_bits(image)
        image = image.convert("F").point(lambda value: value * scale).convert("L")
    if image.has_transparency_data:
        image = on_white(image.convert("RGBA"))
    rgb = image.convert("RGB")
    rgb.load()
    return rgb
