"""Headers of still images: format, size and orientation, read from untrusted bytes without decoding a pixel.

Time and memory are bounded by constants, whatever the file's numbers are. Libraries do not promise that: opening a WebP
file allocates its canvas, the tags of a TIFF or EXIF block may overlap and add up to many times the file, and the
orientation of a PNG file may only be known after decoding it.
"""

import struct
from collections.abc import Callable
from typing import Final, Protocol

from frame_tools.contracts.errors import InputError
from frame_tools.media.heif_header import heif_header_part, read_heif
from frame_tools.media.image_kinds import ImageHeader, ReadPart
from frame_tools.media.raster_header import PNG_BEGIN, read_bmp, read_gif, read_jpeg, read_png, read_webp
from frame_tools.media.tiff_header import TIFF_BEGINS, read_tiff, tiff_header_part

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 64 * 2**20  # twice 8K; 200 MB decoded
MAX_PAINTING_PIXELS: Final = 80 * 2**20  # a large museum scan; Pillow warns above 85 MiB
KEPT_PAINTING_PIXELS: Final = 7680 * 4320
"""Larger paintings are scaled down to about this many pixels when they are read."""
HEADER_BYTES: Final = 4 * 2**20
"""Part of a file that is read for its header: more than the metadata in front of any picture."""
UNREADABLE_REMEDY: Final = "Use a JPEG, PNG, WebP, HEIC, AVIF or TIFF image that opens in an image viewer."

_READERS: Final[dict[bytes, Callable[[bytes], ImageHeader]]] = {
    b"\xff\xd8\xff": read_jpeg,
    PNG_BEGIN: read_png,
    b"GIF87a": read_gif,
    b"GIF89a": read_gif,
    b"BM": read_bmp,
}


class SeekableFile(Protocol):
    """A file that is read in parts."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to a position in bytes and return it."""


def read_header(
    data: bytes, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES, file_bytes: int = 0
) -> ImageHeader:
    """Read the header of an image file; a part from its beginning is sufficient if the header is in it.

    `file_bytes` is the size of the file if `data` is a part of it. Raises InputError if the format is not supported,
    the header is damaged, or the image is too large. The pixels may still be damaged.
    """
    if len(data) > max_bytes:
        raise InputError(f"The image has {len(data)} bytes", f"Use an image of at most {max_bytes} bytes.")
    try:
        header = _parse(data, max(file_bytes, len(data)))
    except (struct.error, LookupError, ValueError, StopIteration) as error:
        raise _unreadable() from error
    if header.width < 1 or header.height < 1:
        raise _unreadable()
    if header.width * header.height > max_pixels:
        raise InputError(
            f"The image has {header.width}x{header.height} pixels", f"Use an image of at most {max_pixels} pixels."
        )
    return header


def read_header_of_file(file: SeekableFile, file_bytes: int) -> ImageHeader:
    """Read the header of an image file of `file_bytes` bytes in a few parts, wherever it lies.

    Raises InputError as `read_header` does.
    """

    def read(position: int, length: int) -> bytes:
        file.seek(position)
        return file.read(length)

    data = read(0, HEADER_BYTES)
    if len(data) < file_bytes:
        try:
            data = _header_part(data, read)
        except (struct.error, LookupError, ValueError) as error:
            raise _unreadable() from error
    return read_header(data, file_bytes=file_bytes)


def check_complete(data: bytes, header: ImageHeader) -> None:
    """Raise InputError if the file was cut off, as far as that is visible without decoding it."""
    is_cut = (header.kind == "PNG" and b"IEND" not in data) or (
        header.kind == "WEBP" and int.from_bytes(data[4:8], "little") + 8 > len(data)
    )
    if is_cut:
        raise InputError("The image is truncated", UNREADABLE_REMEDY)


def kept_size(width: int, height: int) -> tuple[int, int]:
    """Return the size to which a painting is scaled when it is read; its own if it has few enough pixels."""
    if width * height <= KEPT_PAINTING_PIXELS:
        return width, height
    factor: float = (KEPT_PAINTING_PIXELS / (width * height)) ** 0.5
    return max(1, int(width * factor)), max(1, int(height * factor))


def _unreadable() -> InputError:
    return InputError("The file is not a readable image", UNREADABLE_REMEDY)


def _parse(data: bytes, file_bytes: int) -> ImageHeader:
    """Read the header of a file of any kind; raises InputError for an unknown one."""
    if data.startswith(TIFF_BEGINS):
        return read_tiff(data, file_bytes)
    if _is_heif(data):
        return read_heif(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp(data)
    for begin, reader in _READERS.items():
        if data.startswith(begin):
            return reader(data)
    raise _unreadable()


def _header_part(begin: bytes, read: ReadPart) -> bytes:
    """Return a file of the header alone, if it may lie behind the pixels, else `begin`."""
    if begin.startswith(TIFF_BEGINS):
        return tiff_header_part(read)
    return heif_header_part(read) if _is_heif(begin) else begin


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp"
