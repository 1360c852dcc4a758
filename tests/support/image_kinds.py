"""Image files of all kinds that frames may be."""

import io
from typing import Any

from PIL import Image

from frame_tools.contracts.image_files import IMAGE_SUFFIXES
from frame_tools.media.images import encode_jpeg, encode_png
from tests.support.heic import encode_heic

_LOSSLESS: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "TIFF": {"compression": "tiff_lzw"}}


def encode_as(suffix: str, image: Image.Image) -> bytes:
    """Encode an image as the kind of file that a suffix names; lossless for WebP and TIFF."""
    kind = IMAGE_SUFFIXES[suffix.lower()]
    encoders = {"HEIF": encode_heic, "JPEG": encode_jpeg, "PNG": encode_png}
    if kind in encoders:
        return encoders[kind](image)
    file = io.BytesIO()
    image.save(file, kind, **_LOSSLESS.get(kind, {}))
    return file.getvalue()
