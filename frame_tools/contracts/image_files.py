"""Image files as frames and masks: which suffixes are read, and how the painted frame of each is stored.

A painted frame has the name of its frame. JPEG frames are stored as JPEG, those of all other kinds as PNG, which is
lossless and keeps transparency; if the suffix of the frame does not fit that, it is replaced.
"""

from pathlib import PurePath
from typing import Final, Literal, TypeAlias

from frame_tools.contracts.choices import ImageFormat

ImageKind: TypeAlias = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"]
"""Formats of image files, by Pillow's names."""

IMAGE_SUFFIXES: Final[dict[str, ImageKind]] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".avif": "AVIF",
    ".bmp": "BMP",
}
"""Suffixes of frames and masks in lower case, with the kind of file; names may also use upper case."""
IMAGE_KINDS: Final = tuple(dict.fromkeys(IMAGE_SUFFIXES.values()))
"""The kinds of files that frames and masks may be."""

_STORED_SUFFIXES: Final[dict[ImageFormat, tuple[str, ...]]] = {"jpg": (".jpg", ".jpeg"), "png": (".png",)}


def is_image_name(name: str) -> bool:
    """Return whether a file name has the suffix of a frame or mask."""
    stem, dot, end = name.rpartition(".")  # PurePath takes ten times as long, for each of up to a million frames
    return stem != "" and not stem.endswith("/") and f"{dot}{end.lower()}" in IMAGE_SUFFIXES


def painted_format(frame_name: str) -> ImageFormat:
    """Return the format in which the painted frames of frames with such names are stored."""
    return "jpg" if PurePath(frame_name).suffix.lower() in _STORED_SUFFIXES["jpg"] else "png"


def painted_name(frame_name: str, image_format: ImageFormat) -> str:
    """Return the file name of a painted frame that is stored in this format."""
    path = PurePath(frame_name)
    is_fitting = path.suffix.lower() in _STORED_SUFFIXES[image_format]
    return frame_name if is_fitting else path.with_suffix(f".{image_format}").name
