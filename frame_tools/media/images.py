"""Single pictures: read any common kind as 8-bit RGB, with limits; write JPEG and PNG frames.

Pictures come from outside, so bytes and pixels are limited before anything is decoded, and only the formats below
are tried (some of Pillow's others start programs or follow links).
"""

import io
import struct
import zlib
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image, ImageOps

from frame_tools.contracts.errors import InputError

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 64 * 2**20
JPEG_QUALITY: Final = 95
_PNG_COMPRESSION: Final = 1  # frames are written once and read once: speed counts more than size
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_REMEDY: Final = "Give a JPEG, PNG, WebP or TIFF picture that opens in an image viewer."
# What Pillow's readers raise on damaged files, beside OSError.
_DAMAGE: Final = (OSError, SyntaxError, ValueError, EOFError, TypeError, struct.error, zlib.error, OverflowError)
_ORIENTATION: Final = 0x0112  # tag of TIFF 6.0, section 8
_ON_THEIR_SIDE: Final = (5, 6, 7, 8)


def image_size(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of an encoded picture as it displays (EXIF orientation applied).

    Raises InputError if it is no picture that we read, or too large. Does not prove that all of it can be decoded.
    """
    with _opened(data, max_pixels) as image:
        try:
            turned = image.getexif().get(_ORIENTATION, 1) in _ON_THEIR_SIDE
        except _DAMAGE as error:
            raise InputError(f"The picture is damaged ({error})", _REMEDY) from error
        width, height = image.size
        return (height, width) if turned else (width, height)


def read_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode a picture to mode RGB, 8 bits a channel, upright.

    Transparent parts are laid on white; 16-bit greys keep their upper eight bits; of animations the first frame
    counts. Raises InputError if it is no picture that we read, damaged or cut off, or too large.
    """
    with _opened(data, max_pixels) as opened:
        try:
            image = ImageOps.exif_transpose(opened)
            return _as_rgb(image)
        except _DAMAGE as error:
            raise InputError(f"The picture is damaged ({error})", _REMEDY) from error


def jpeg(image: Image.Image) -> bytes:
    """Encode an RGB image as JPEG: quality 95, chroma at full resolution (4:4:4)."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    """Encode an RGB image as PNG, exactly, with light compression."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_PNG_COMPRESSION)
    return out.getvalue()


def from_frame(frame: VideoFrame) -> Image.Image:
    """Copy a video frame of format rgb24 into an image."""
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV's stub leaves it bare
    return image


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header and check the limits."""
    if len(data) > MAX_BYTES:
        raise InputError(f"The picture has {len(data)} bytes", f"Give one of at most {MAX_BYTES} bytes.")
    too_large = f"Give one of at most {max_pixels} pixels."
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError("The picture has too many pixels", too_large) from error
    except _DAMAGE as error:
        raise InputError("This is no picture that can be read", _REMEDY) from error
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise InputError(f"The picture has {width}x{height} pixels", too_large)
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode.startswith(("I", "F")):
        # Pillow clips 16-bit greys when it converts them; scale them first.
        scale = 1 / 256 if (image.getextrema()[1] or 0) > 255 else 1.0  # type: ignore[operator]
        image = image.convert("F").point(lambda value: value * scale).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layer)
    rgb = image.convert("RGB")
    rgb.load()
    return rgb
