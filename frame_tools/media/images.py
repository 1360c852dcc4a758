"""Still images: decode common formats to 8-bit RGB within limits, and encode JPEG and PNG frames.

Images come from untrusted sources. Bytes and pixels are limited before anything is decoded, and only the formats below
are tried (some of Pillow's other readers start programs or follow links).
"""

import io
import struct
import zlib
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image, ImageOps

from frame_tools.contracts.errors import InputError

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 64 * 2**20  # twice 8K; 200 MB decoded
JPEG_QUALITY: Final = 95
_PNG_COMPRESSION: Final = 1  # frames are written once and read once: speed matters more than size
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_REMEDY: Final = "Use a JPEG, PNG, WebP or TIFF image that opens in an image viewer."
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
_ORIENTATION_TAG: Final = 0x0112  # TIFF 6.0, section 8
_ROTATED_90: Final = (5, 6, 7, 8)


def image_size(data: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return width and height of an encoded image as displayed (EXIF orientation applied).

    Raises InputError if the format is not supported or the image is too large. Reads the header only: it does not
    prove that the whole image can be decoded.
    """
    with _open_image(data, max_pixels) as image:
        try:
            is_rotated = image.getexif().get(_ORIENTATION_TAG, 1) in _ROTATED_90
        except DECODE_ERRORS as error:
            raise _damaged(error) from error
        width, height = image.size
        return (height, width) if is_rotated else (width, height)


def read_rgb(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image to mode RGB, 8 bits per channel, upright.

    Transparent parts are composited on white, 16-bit grayscale keeps its upper eight bits, and an animation is
    reduced to its first frame. Raises InputError if the format is not supported, or the image is damaged, truncated
    or too large.
    """
    with _open_image(data, max_pixels) as image:
        try:
            return _to_rgb(ImageOps.exif_transpose(image))
        except DECODE_ERRORS as error:
            raise _damaged(error) from error


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
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # untyped in PyAV's stub
    return image


def rgba_from_frame(frame: VideoFrame) -> Image.Image:
    """Copy a video frame of format rgba into an image."""
    plane = frame.planes[0]
    return Image.frombytes("RGBA", (frame.width, frame.height), bytes(plane), "raw", "RGBA", plane.line_size)


def on_white(image: Image.Image) -> Image.Image:
    """Composite an image of mode RGBA on white; returns mode RGB."""
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Read the header and check the limits."""
    if len(data) > MAX_BYTES:
        raise InputError(f"The image has {len(data)} bytes", f"Use an image of at most {MAX_BYTES} bytes.")
    too_large = f"Use an image of at most {max_pixels} pixels."
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError("The image has too many pixels", too_large) from error
    except DECODE_ERRORS as error:
        raise InputError("The file is not a readable image", _REMEDY) from error
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise InputError(f"The image has {width}x{height} pixels", too_large)
    return image


def _damaged(error: Exception) -> InputError:
    return InputError(f"The image is damaged ({error})", _REMEDY)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode.startswith(("I", "F")):
        # Pillow clips 16-bit grayscale when it converts it; scale it first.
        scale = 1 / 256 if (image.getextrema()[1] or 0) > 255 else 1.0  # type: ignore[operator]
        image = image.convert("F").point(lambda value: value * scale).convert("L")
    if image.has_transparency_data:
        image = on_white(image.convert("RGBA"))
    rgb = image.convert("RGB")
    rgb.load()
    return rgb
