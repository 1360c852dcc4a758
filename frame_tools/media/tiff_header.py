"""Headers of TIFF files, and the orientation in EXIF blocks, which have the same form."""

import struct
from typing import Final

from frame_tools.media.image_kinds import MAX_HEADER_PARTS, ImageHeader, ReadPart

TIFF_BEGINS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 256, 257, 274  # TIFF 6.0, section 8
_TYPE_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_BEGIN_BYTES: Final = 16
_BIG_ENTRY_BYTES: Final = 20
_MAX_DIRECTORY_BYTES: Final = 8 + _BIG_ENTRY_BYTES * MAX_HEADER_PARTS


def read_tiff(data: bytes, file_bytes: int) -> ImageHeader:
    """Read the first directory of a TIFF file with `file_bytes` bytes."""
    tags = _read_tags(data, file_bytes)
    return ImageHeader("TIFF", tags[_WIDTH_TAG], tags[_HEIGHT_TAG], _valid_orientation(tags.get(_ORIENTATION_TAG, 1)))


def tiff_header_part(read: ReadPart) -> bytes:
    """Return a TIFF file of the first directory alone, which often lies behind the pixels."""
    begin = read(0, _BEGIN_BYTES)
    order, is_big = _layout(begin)
    pointer, position = (order + "Q", 8) if is_big else (order + "I", 4)
    (start,) = struct.unpack_from(pointer, begin, position)
    directory = read(start, _MAX_DIRECTORY_BYTES)
    return begin[:position] + struct.pack(pointer, _BEGIN_BYTES).ljust(_BEGIN_BYTES - position, b"\0") + directory


def exif_orientation(block: bytes) -> int:
    """Return the orientation of an EXIF block, which is a TIFF file; 1 if it is damaged."""
    if not block.startswith(TIFF_BEGINS):
        return 1
    try:
        return _valid_orientation(_read_tags(block, len(block)).get(_ORIENTATION_TAG, 1))
    except (struct.error, ValueError, IndexError):
        return 1


def _layout(data: bytes) -> tuple[str, bool]:
    """Return the byte order for `struct`, and whether it is a BigTIFF file."""
    return "<" if data[:2] == b"II" else ">", 43 in (data[2], data[3])


def _read_tags(data: bytes, file_bytes: int) -> dict[int, int]:
    """Return the first value of each tag of the first directory of a TIFF file, if it is an integer in the directory.

    Raises ValueError if there are too many tags, or if all together have more bytes than the file: readers copy the
    values of each tag, also where they overlap.
    """
    order, is_big = _layout(data)
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    entry, count_bytes = (order + "HHQ", 8) if is_big else (order + "HHI", 2)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, start)
    if count > MAX_HEADER_PARTS:
        raise ValueError("too many tags")
    entry_bytes = _BIG_ENTRY_BYTES if is_big else 12
    tags: dict[int, int] = {}
    total = 0
    for position in range(start + count_bytes, start + count_bytes + count * entry_bytes, entry_bytes):
        tag, kind, values = struct.unpack_from(entry, data, position)
        total += values * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if values == 1 and form:
            (tags[tag],) = struct.unpack_from(order + form, data, position + struct.calcsize(entry))
    if total > file_bytes:
        raise ValueError("overlapping tags")
    return tags


def _valid_orientation(value: int) -> int:
    return value if 1 <= value <= 8 else 1
