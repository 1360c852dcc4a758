"""Encoded pictures (JPEG, PNG) to uint8 RGB arrays and back, with the transparency of PNG files beside them.

OpenCV decodes and encodes; Pillow reads the header first, so that a huge picture is refused before it takes memory,
and decodes what has transparency. The camera's orientation note is obeyed, transparent parts are laid on white (as
everywhere here), 16 bits become 8.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from frame_tools.contracts.errors import InputError
from scoring.postprocess.alpha import with_alpha
from scoring.types import Alpha, Picture

MAX_PIXELS: Final = 2**26  # 67 megapixels: twice 8K; 200 MB decoded
JPEG_QUALITY: Final = 95
_PNG: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)
_WHITE: Final = (255, 255, 255, 255)
# What Pillow's readers raise for broken files.
_DAMAGE: Final = (OSError, SyntaxError, ValueError, EOFError, TypeError, struct.error, zlib.error, OverflowError)

# One picture is decoded on one thread of ours; OpenCV's own threads would only take cores from the network.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Decoded:
    """A picture as it looks on white, (H, W, 3) uint8 RGB, and its transparency, (H, W) uint8, if it has any."""

    picture: Picture
    alpha: Alpha | None


def decode(data: bytes, name: str) -> Picture:
    """Decode a JPEG or PNG file to (H, W, 3) uint8 RGB; raise InputError with `name` if that is impossible."""
    return decode_with_alpha(data, name).picture


def decode_with_alpha(data: bytes, name: str) -> Decoded:
    """Decode a JPEG or PNG file and keep its transparency; raise InputError with `name` if that is impossible."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise _too_large(name)
            if opened.has_transparency_data:
                return _on_white(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except _DAMAGE as error:
        raise _unreadable(name) from error
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise _unreadable(name)
    return Decoded(picture, None)


def _on_white(opened: Image.Image) -> Decoded:
    """Decode a picture with transparency by Pillow; OpenCV would show what is hidden."""
    image = ImageOps.exif_transpose(opened)
    layer = (_as_8_bits(image) if image.mode.startswith("I") else image).convert("RGBA")
    white = Image.new("RGBA", layer.size, _WHITE)
    picture = np.array(Image.alpha_composite(white, layer).convert("RGB"))
    return Decoded(picture, np.array(layer.getchannel("A")))


def _as_8_bits(image: Image.Image) -> Image.Image:
    """Turn 16-bit grey with one clear level into 8 bits with alpha; Pillow would cut off what is over 255."""
    deep = np.asarray(image)
    alpha = np.where(deep == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray((deep >> 8).astype(np.uint8)), Image.fromarray(alpha)))


def encode_jpeg(picture: Picture) -> bytes:
    """Encode (H, W, 3) uint8 RGB as JPEG: quality 95, colour at full size (4:4:4)."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    return _encode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)


def encode_png(picture: Picture, alpha: Alpha | None = None) -> bytes:
    """Encode (H, W, 3) uint8 RGB as PNG, without loss; compressed lightly, for speed.

    With `alpha`, (H, W) uint8, the file is transparent and shows `picture` on white; alpha itself is kept exactly.
    """
    if alpha is None:
        return _encode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _PNG)
    return _encode(".png", cv2.cvtColor(with_alpha(picture, alpha), cv2.COLOR_RGBA2BGRA), _PNG)


def _encode(suffix: str, stored: NDArray[np.uint8], options: tuple[int, ...]) -> bytes:
    _, data = cv2.imencode(suffix, stored, options)
    return bytes(data)


def _unreadable(name: str) -> InputError:
    return InputError(f"{name} can't be decoded as JPEG or PNG", "Upload the picture again, whole")


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_PIXELS} pixels", "Make the picture smaller")
