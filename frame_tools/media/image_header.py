"""Headers of still images: format, size and orientation, read from untrusted bytes without decoding a pixel.

Time and memory are bounded by constants, whatever the file's numbers are. Libraries do not promise that: opening a WebP
file allocates its canvas, the tags of a TIFF or EXIF block may overlap and add up to many times the file, and the
orientation of a PNG file may only be known after decoding it.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from frame_tools.contracts.errors import InputError

ImageKind: TypeAlias = Literal["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF"]

MAX_BYTES: Final = 64 * 2**20
MAX_PIXELS: Final = 64 * 2**20  # twice 8K; 200 MB decoded
MAX_PAINTING_PIXELS: Final = 80 * 2**20  # a large museum scan; Pillow warns above 85 MiB
KEPT_PAINTING_PIXELS: Final = 7680 * 4320
"""Larger paintings are scaled down to about this many pixels when they are read."""
MAX_HEADER_PARTS: Final = 4096
"""Segments, chunks, blocks, tags or boxes in front of the pixels of one image."""
UNREADABLE_REMEDY: Final = "Use a JPEG, PNG, WebP, HEIC, AVIF or TIFF image that opens in an image viewer."

_ROTATED_90: Final = (5, 6, 7, 8)
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_PNG_BEGIN: Final = b"\x89PNG\r\n\x1a\n"
_TIFF_BEGINS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 256, 257, 274  # TIFF 6.0, section 8
_TIFF_TYPE_BYTES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_STANDALONE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_EXIF_BEGIN: Final = b"Exif\0\0"
_SOS: Final = 0xDA
_APP1: Final = 0xE1
_META_CONTAINERS: Final = frozenset({b"meta", b"iprp", b"ipco"})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself: `width` and `height` as stored, and its EXIF `orientation` (1 to 8)."""

    kind: ImageKind
    width: int
    height: int
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed."""
        return (self.height, self.width) if self.orientation in _ROTATED_90 else (self.width, self.height)


def read_header(data: bytes, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> ImageHeader:
    """Read the header of an image file; a part from its beginning is sufficient if the header is in it.

    Raises InputError if the format is not supported, the header is damaged, or the image is too large. The pixels may
    still be damaged.
    """
    if len(data) > max_bytes:
        raise InputError(f"The image has {len(data)} bytes", f"Use an image of at most {max_bytes} bytes.")
    try:
        header = _reader(data)(data)
    except (struct.error, LookupError, ValueError) as error:
        raise _unreadable() from error
    if header.width < 1 or header.height < 1:
        raise _unreadable()
    if header.width * header.height > max_pixels:
        raise InputError(
            f"The image has {header.width}x{header.height} pixels", f"Use an image of at most {max_pixels} pixels."
        )
    return header


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


def _reader(data: bytes) -> Callable[[bytes], ImageHeader]:
    """Return the reader for a file's first bytes; raises InputError for an unknown format."""
    if data[4:8] == b"ftyp":
        return _read_heif
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp
    readers: dict[bytes, Callable[[bytes], ImageHeader]] = {
        b"\xff\xd8\xff": _read_jpeg,
        _PNG_BEGIN: _read_png,
        b"GIF87a": _read_gif,
        b"GIF89a": _read_gif,
        b"BM": _read_bmp,
        **dict.fromkeys(_TIFF_BEGINS, _read_tiff),
    }
    for begin, reader in readers.items():
        if data.startswith(begin):
            return reader
    raise _unreadable()


def _parts() -> Iterator[int]:
    """Yield the numbers of the parts of a header; raises ValueError after `MAX_HEADER_PARTS`."""
    yield from range(MAX_HEADER_PARTS)
    raise ValueError("too many parts")


def _read_jpeg(data: bytes) -> ImageHeader:
    """Read the segments up to the first frame header (ITU-T T.81, annex B)."""
    orientation, position = 1, 2
    for _ in _parts():
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
            orientation = _exif_orientation(data[position + 8 : position + length])
        position += length
    raise ValueError("no frame header")


def _next_not_ff(data: bytes, position: int) -> int:
    """Return the position after the fill bytes at `position`, without a loop over each of them."""
    rest = data[position : position + 2**16].lstrip(b"\xff")
    if not rest:
        raise ValueError("too many fill bytes")
    return position + min(2**16, len(data) - position) - len(rest)


def _read_png(data: bytes) -> ImageHeader:
    """Read the chunks up to the first one with pixels."""
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    orientation, position = 1, 8
    for _ in _parts():
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in (b"IDAT", b"IEND"):
            return ImageHeader("PNG", width, height, orientation)
        if kind == b"eXIf":
            orientation = _exif_orientation(data[position + 8 : position + 8 + min(length, 2**16)])
        position += 12 + length
    raise ValueError("no pixels")


def _read_webp(data: bytes) -> ImageHeader:
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
            return _exif_orientation(block.removeprefix(_EXIF_BEGIN))
        position += 8 + length + length % 2
    return 1


def _read_gif(data: bytes) -> ImageHeader:
    """Read the screen, and the first frame, which may exceed it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
    for _ in _parts():
        introducer = data[position]
        if introducer == 0x2C:
            left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
            return ImageHeader("GIF", max(width, left + frame_width), max(height, top + frame_height))
        if introducer == 0x21:
            position += 2  # an extension: its label; its first block follows
        elif introducer == 0x3B:
            raise ValueError("no frame")
        for _ in _parts():
            length = data[position]
            position += length + 1
            if not length:
                break
    raise ValueError("no frame")


def _read_bmp(data: bytes) -> ImageHeader:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return ImageHeader("BMP", width, abs(height))


def _read_tiff(data: bytes) -> ImageHeader:
    tags = _read_tags(data)
    return ImageHeader("TIFF", tags[_WIDTH_TAG], tags[_HEIGHT_TAG], _valid_orientation(tags.get(_ORIENTATION_TAG, 1)))


def _read_tags(data: bytes) -> dict[int, int]:
    """Return the first value of each tag of the first directory of a TIFF file, if it is an integer in the directory.

    Raises ValueError if there are too many tags, or if all together have more bytes than the file: readers copy the
    values of each tag, also where they overlap.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = 43 in (data[2], data[3])
    (start,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    entry, count_bytes = (order + "HHQ", 8) if is_big else (order + "HHI", 2)
    (count,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, start)
    if count > MAX_HEADER_PARTS:
        raise ValueError("too many tags")
    entry_bytes = 20 if is_big else 12
    tags: dict[int, int] = {}
    total = 0
    for position in range(start + count_bytes, start + count_bytes + count * entry_bytes, entry_bytes):
        tag, kind, values = struct.unpack_from(entry, data, position)
        total += values * (_TIFF_TYPE_BYTES[kind] if kind < len(_TIFF_TYPE_BYTES) else 0)
        form = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if values == 1 and form:
            (tags[tag],) = struct.unpack_from(order + form, data, position + struct.calcsize(entry))
    if total > len(data):
        raise ValueError("overlapping tags")
    return tags


def _exif_orientation(block: bytes) -> int:
    """Return the orientation of an EXIF block, which is a TIFF file; 1 if it is damaged."""
    if not block.startswith(_TIFF_BEGINS):
        return 1
    try:
        return _valid_orientation(_read_tags(block).get(_ORIENTATION_TAG, 1))
    except (struct.error, ValueError, IndexError):
        return 1


def _valid_orientation(value: int) -> int:
    return value if 1 <= value <= 8 else 1


def _brands(data: bytes) -> set[bytes]:
    """Return the major and the first compatible brands of an ISO base media file."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    return {data[place : place + 4] for place in range(8, length - 3, 4)}


def _read_heif(data: bytes) -> ImageHeader:
    """Read an AVIF or HEIC file: the largest spatial extent (ispe) and the rotation of all items (ISO/IEC 23008-12)."""
    is_avif = bool(_AVIF_BRANDS.intersection(_brands(data)))
    if not is_avif and data[8:12] not in _HEIF_BRANDS:
        raise ValueError("not an image")
    sizes: list[tuple[int, int]] = []
    orientation = 1
    for kind, position in _boxes(data):
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", data, position + 4)
            sizes.append((width, height))
        elif kind == b"irot" and data[position] & 1:
            orientation = 6
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return ImageHeader("AVIF" if is_avif else "HEIF", width, height, orientation)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield (type, position of the content) of the boxes of a file, and of those in the boxes with item properties."""
    position = 0
    for _ in _parts():
        if position + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        content = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, content)
            content += 8
        yield kind, content
        if kind in _META_CONTAINERS:
            position = content + (4 if kind == b"meta" else 0)  # meta has version and flags
        elif 0 < length < 8:
            raise ValueError("a box is too short")
        elif length == 0:  # the box goes to the end of the file
            return
        else:
            position += length
