"""Encoded pictures (JPEG, PNG) to uint8 RGB arrays and back.

OpenCV decodes and encodes; Pillow reads the header first, so that a huge picture is refused before it takes memory.
The camera's orientation note is obeyed, transparent parts are laid on white (as everywhere here), 16 bits become 8.
"""

import io

import cv2
import numpy as np
from PIL import Image

from frame_tools.errors import InputError
from frame_tools.media import images
from scoring.protocol import Picture

MAX_PIXELS = 2**26  # 67 megapixels: twice 8K; 200 MB decoded
JPEG_QUALITY = 95

# One picture is decoded on one thread of ours; OpenCV's own threads would only take cores from the network.
cv2.setNumThreads(1)


def decode(data: bytes, name: str) -> Picture:
    """Decode a JPEG or PNG file to (H, W, 3) uint8 RGB; raise InputError with `name` if that is impossible."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as header:
            width, height = header.size
            if width * height > MAX_PIXELS:
                raise _too_large(name)
            if header.has_transparency_data:
                return _on_white(data, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name) from None
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's readers raise for broken files
        raise _unreadable(name) from error
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise _unreadable(name)
    return picture


def _on_white(data: bytes, name: str) -> Picture:
    """Decode a picture with transparency; OpenCV would show what is hidden."""
    try:
        return np.array(images.read_rgb(data))
    except InputError as error:
        raise _unreadable(name) from error


def encode_jpeg(picture: Picture) -> bytes:
    """Encode (H, W, 3) uint8 RGB as JPEG: quality 95, colour at full size (4:4:4)."""
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    return _encode(".jpg", picture, options)


def encode_png(picture: Picture) -> bytes:
    """Encode (H, W, 3) uint8 RGB as PNG, without loss; compressed lightly, for speed."""
    return _encode(".png", picture, (cv2.IMWRITE_PNG_COMPRESSION, 1))


def _encode(suffix: str, picture: Picture, options: tuple[int, ...]) -> bytes:
    _, data = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    return bytes(data)


def _unreadable(name: str) -> InputError:
    return InputError(f"{name} can't be decoded as JPEG or PNG", "Upload the picture again, whole")


def _too_large(name: str) -> InputError:
    return InputError(f"{name} has more than {MAX_PIXELS} pixels", "Make the picture smaller")
