"""Headers of JPEG, PNG, WebP, GIF and BMP files, from the beginning of the file.

The readers raise struct.error, LookupError or ValueError if the header is damaged or not in the bytes.
"""

import struct
from typing import Final

from frame_tools.media.image_kinds import MAX_HEADER_PARTS, ImageHeader, header_parts
from frame_tools.media.tiff_header import exif_orientation

_STANDALONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF_BEGIN: Final = b"Exif\0\0"
PNG_BEGIN: Final = b"\x89PNG\r\n\x1a\n"
_WEBP_ANIMATION: Final = 2
_SOS: Final = 0xDA
_APP1: Final = 0xE1


def read_jpeg(data: bytes) -> ImageHeader:
    """Read the segments up to the first frame header (ITU-T T.81, annex B)."""
    orientation, position = 1, 2
    for _ in header_parts():
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position = _next_not_ff(data, position) - 1
        if data[position] != 0xFF:
            raise ValueError("no marker")
        marker = data[position + 1]
        position += 2
        if marker in _STANDALONE_MARKERS:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return ImageHeader("JPEG", width, height, orientation)
        if marker == _SOS or length < 2:
            raise ValueError("no frame header")
        if marker == _APP1 and data.startswith(_EXIF_BEGIN, position + 2):
            orientation = exif_orientation(data[position + 8 : position + length])
        position += length
    raise ValueError("no frame header")


def is_animated(begin: bytes) -> bool:
    """Return whether the beginning of a file is that of an animated WebP or PNG (RFC 9649, 2.7; PNG 3, 11.3.6.1)."""
    if begin[:4] == b"RIFF" and begin[8:16] == b"WEBPVP8X":
        return bool(begin[20:21] and begin[20] & _WEBP_ANIMATION)
    if not begin.startswith(PNG_BEGIN):
        return False
    position = len(PNG_BEGIN)
    for _ in range(MAX_HEADER_PARTS):
        if position + 8 > len(begin):
            return False
        length, kind = struct.unpack_from(">I4s", begin, position)
        if kind in (b"acTL", b"IDAT"):
            return bool(kind == b"acTL")
        position += 12 + length
    return False


def _next_not_ff(data: bytes, position: int) -> int:
    """Return the position after the fill bytes at `position`, without a loop over each of them."""
    rest = data[position : position + 2**16].lstrip(b"\xff")
    if not rest:
        raise ValueError("too many fill bytes")
    return position + min(2**16, len(data) - position) - len(rest)


def read_png(data: bytes) -> ImageHeader:
    """Read the chunks up to the first one with pixels."""
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    orientation, position = 1, 8
    for _ in header_parts():
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in (b"IDAT", b"IEND"):
            return ImageHeader("PNG", width, height, orientation)
        if kind == b"eXIf":
            orientation = exif_orientation(data[position + 8 : position + 8 + min(length, 2**16)])
        position += 12 + length
    raise ValueError("no pixels")


def read_webp(data: bytes) -> ImageHeader:
    """Read the first chunk, which has the size, and the chunk with EXIF tags, if there is one."""
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return ImageHeader("WEBP", width, height, _webp_orientation(data))
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("WEBP", width & 0x3FFF, height & 0x3FFF)
    raise ValueError("no picture chunk")


def _webp_orientation(data: bytes) -> int:
    position = 12
    for _ in range(MAX_HEADER_PARTS):
        if position + 8 > len(data):
            return 1
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            block = data[position + 8 : position + 8 + min(length, 2**16)]
            return exif_orientation(block.removeprefix(_EXIF_BEGIN))
        position += 8 + length + length % 2
    return 1


def read_gif(data: bytes) -> ImageHeader:
    """Read the screen, and the first frame, which may exceed it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in header_parts():
        introducer = data[position]
        if introducer == 0x2C:
            left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
            return ImageHeader("GIF", max(width, left + frame_width), max(height, top + frame_height))
        if introducer == 0x21:
            position += 2  # an extension: its label; its first block follows
        elif introducer == 0x3B:
            raise ValueError("no frame")
        for _ in header_parts():
            length = data[position]
            position += length + 1
            if not length:
                break
    raise ValueError("no frame")


def read_bmp(data: bytes) -> ImageHeader:
    """Read the header of the bitmap."""
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return ImageHeader("BMP", width, abs(height))
