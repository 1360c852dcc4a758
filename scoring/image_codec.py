"""Decode image files to uint8 RGB arrays, with their transparency, and encode frames as JPEG or PNG.

The header is read first, so that an oversized image is refused before it takes memory. OpenCV decodes opaque JPEG and
PNG images and encodes; Pillow decodes all others. The EXIF orientation is applied, transparent parts are blended with
white, and 16 bits are reduced to 8.
"""

import io
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np
from PIL import Image, ImageOps

from frame_tools.contracts.errors import InputError, NextStep, sentence
from frame_tools.contracts.image_files import IMAGE_KINDS
from frame_tools.media import images
from frame_tools.media.image_header import MAX_PIXELS, read_header
from frame_tools.media.image_kinds import ImageHeader
from frame_tools.media.images import DECODE_ERRORS, JPEG_QUALITY
from scoring.postprocess.alpha import RGBA, with_alpha
from scoring.types import Alpha, Picture

_OPENCV_KINDS: Final = ("JPEG", "PNG")
_PNG_OPTIONS: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_ANY_PIXELS: Final = 2**64
_JPEG_BEGIN: Final = b"\xff\xd8"
_WHITE: Final = (255, 255, 255, 255)

# An image is decoded on one thread of the pipeline; OpenCV's own threads would only take cores from the network.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class DecodedPicture:
    """A picture blended with white, (H, W, 3) uint8 RGB, and its transparency, (H, W) uint8, if it has any."""

    picture: Picture
    alpha: Alpha | None


def decode(data: bytes, name: str) -> Picture:
    """Decode an image file to (H, W, 3) uint8 RGB; raises InputError with `name` if that fails."""
    return decode_with_alpha(data, name).picture


def decode_with_alpha(data: bytes, name: str) -> DecodedPicture:
    """Decode an image file with its transparency; raises InputError with `name` if that fails."""
    header = checked_header(data, name)
    try:
        with Image.open(io.BytesIO(data), formats=[header.kind]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name)
            if image.has_transparency_data:
                return _blended_with_white(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except DECODE_ERRORS as error:
        raise _unreadable(name) from error
    if header.kind not in _OPENCV_KINDS:
        return DecodedPicture(_by_pillow(data, name), None)
    # OpenCV's type hints leave out that it returns None for a file that it cannot decode.
    picture = cast("Picture | None", cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    if picture is None and data.startswith(_JPEG_BEGIN):
        picture = _by_pillow(data, name)  # OpenCV refuses a JPEG file without its last bytes
    if picture is None:
        raise _unreadable(name)
    return DecodedPicture(picture, None)


def checked_header(data: bytes, name: str) -> ImageHeader:
    """Read an image file's header; raises InputError with `name` if it is too large or none of IMAGE_KINDS."""
    try:
        header = read_header(data, max_pixels=_ANY_PIXELS, max_bytes=len(data))
    except InputError as error:
        raise _unreadable(name) from error
    if header.width * header.height > MAX_PIXELS:
        raise _too_large(name)
    if header.kind not in IMAGE_KINDS:
        raise _unreadable(name)
    return header


def _by_pillow(data: bytes, name: str) -> Picture:
    """Decode an opaque image by Pillow; raises InputError with `name` if that fails."""
    try:
        return np.array(images.read_rgb(data, max_bytes=len(data)))
    except InputError as error:
        raise _unreadable(name) from error


def _blended_with_white(image: Image.Image) -> DecodedPicture:
    """Decode an image with transparency by Pillow; OpenCV would show the hidden colors."""
    upright = ImageOps.exif_transpose(image)
    layer = (_to_8_bits(upright) if upright.mode.startswith("I") else upright).convert("RGBA")
    white = Image.new("RGBA", layer.size, _WHITE)
    picture = np.array(Image.alpha_composite(white, layer).convert("RGB"))
    return DecodedPicture(picture, np.array(layer.getchannel("A")))


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert 16-bit gray with one transparent level to 8 bits with alpha; Pillow would clip values above 255."""
    deep = np.asarray(image)
    alpha = np.where(deep == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray((deep >> 8).astype(np.uint8)), Image.fromarray(alpha)))


def decode_painting(data: bytes, name: str) -> Picture:
    """Decode a painting to (H, W, 3) uint8 RGB; raises InputError that names the style file `name` if that fails."""
    try:
        return np.array(images.read_painting(data))
    except InputError as error:
        raise InputError(
            f"The style {name!r} is invalid: {error.what}",
            f"{sentence(error.remedy)} Then upload the trigger file again",
            next_step=NextStep.START_NEW_RUN,
        ) from error


def encode_jpeg(picture: Picture) -> bytes:
    """Encode (H, W, 3) uint8 RGB as JPEG: quality 95, no chroma subsampling (4:4:4)."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    return _encode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)


def encode_png(picture: Picture, alpha: Alpha | None = None) -> bytes:
    """Encode (H, W, 3) uint8 RGB as PNG, lossless, with light compression for speed.

    With `alpha`, (H, W) uint8, the file is transparent and shows `picture` on white; alpha itself is kept exactly.
    """
    if alpha is None:
        return _encode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _PNG_OPTIONS)
    rgba: RGBA = with_alpha(picture, alpha)
    return _encode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA), _PNG_OPTIONS)


def _encode(suffix: str, image: cv2.typing.MatLike, options: tuple[int, ...]) -> bytes:
    _, data = cv2.imencode(suffix, image, options)
    return data.tobytes()


def _unreadable(name: str) -> InputError:
    return InputError(
        f"{name} cannot be decoded as {', '.join(IMAGE_KINDS[:-1])} or {IMAGE_KINDS[-1]}",
        "Upload the complete image again",
    )


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_PIXELS} pixels", "Upload a smaller image")
