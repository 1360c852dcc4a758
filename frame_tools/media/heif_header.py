"""Headers of HEIC and AVIF files (ISO/IEC 23008-12): size, cropping and rotation of the primary item."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from frame_tools.media.image_kinds import ImageHeader, ReadPart, header_parts

_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_MAX_META_BYTES: Final = 4 * 2**20
_MAX_BOX_HEADER: Final = 16
_MAX_FILE_BOXES: Final = 16
"""Boxes of a file up to `meta`; each may take a request to the storage."""
_BIG_ITEM_IDS: Final = 1  # from this version of a box on, item ids have 32 bits


@dataclass(frozen=True, slots=True)
class _Box:
    """A box with the positions of its content."""

    kind: bytes
    start: int
    end: int


def read_heif(data: bytes) -> ImageHeader:
    """Read spatial extent (ispe), cropping (clap) and rotation (irot) of the primary item.

    Without associations, the largest extent of all items and any rotation count.
    """
    is_avif = bool(_AVIF_BRANDS.intersection(_brands(data)))
    if not is_avif and data[8:12] not in _HEIF_BRANDS:
        raise ValueError("not an image")
    meta = next(box for box in _boxes(data, 0, len(data)) if box.kind == b"meta")
    children = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
    iprp = children[b"iprp"]
    groups = {box.kind: box for box in _boxes(data, iprp.start, iprp.end)}
    properties = list(_boxes(data, groups[b"ipco"].start, groups[b"ipco"].end))
    primary = [properties[number - 1] for number in _primary_numbers(data, children, groups) if number]
    used = primary if any(box.kind == b"ispe" for box in primary) else properties
    sizes = [struct.unpack_from(">II", data, box.start + 4) for box in used if box.kind == b"ispe"]
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    crop = next((_clap_size(data, box) for box in primary if box.kind == b"clap"), None)
    is_turned = sum(data[box.start] & 1 for box in used if box.kind == b"irot") % 2 == 1
    return ImageHeader("AVIF" if is_avif else "HEIF", width, height, 6 if is_turned else 1, crop)


def heif_header_part(read: ReadPart) -> bytes:
    """Return the boxes `ftyp` and `meta` of a file, wherever `meta` lies."""
    position, ftyp = 0, b""
    for _ in range(_MAX_FILE_BOXES):
        header = read(position, _MAX_BOX_HEADER)
        length, kind = struct.unpack_from(">I4s", header)
        if length == 1:
            (length,) = struct.unpack_from(">Q", header, 8)
        if kind == b"meta":
            return ftyp + read(position, min(length or _MAX_META_BYTES, _MAX_META_BYTES))
        if kind == b"ftyp":
            ftyp = read(position, min(length, _MAX_META_BYTES))
        if length < 8:
            break
        position += length
    raise ValueError("no meta box")


def _primary_numbers(data: bytes, children: Mapping[bytes, _Box], groups: Mapping[bytes, _Box]) -> list[int]:
    """Return the numbers of the primary item's properties, counted from 1; none without associations."""
    if b"pitm" not in children or b"ipma" not in groups:
        return []
    pitm, ipma = children[b"pitm"], groups[b"ipma"]
    (primary,) = struct.unpack_from(">I" if data[pitm.start] >= _BIG_ITEM_IDS else ">H", data, pitm.start + 4)
    item_format = ">I" if data[ipma.start] >= _BIG_ITEM_IDS else ">H"
    is_wide = data[ipma.start + 3] & 1
    (count,) = struct.unpack_from(">I", data, ipma.start + 4)
    position = ipma.start + 8
    for _, _ in zip(range(count), header_parts(), strict=False):
        (item,) = struct.unpack_from(item_format, data, position)
        position += struct.calcsize(item_format)
        numbers = data[position]
        position += 1
        if item == primary:
            form, mask = (f">{numbers}H", 0x7FFF) if is_wide else (f">{numbers}B", 0x7F)
            return [number & mask for number in struct.unpack_from(form, data, position)]
        position += numbers * (2 if is_wide else 1)
    return []


def _clap_size(data: bytes, box: _Box) -> tuple[int, int]:
    """Return width and height of a clean aperture."""
    width, width_divisor, height, height_divisor = struct.unpack_from(">4I", data, box.start)
    return round(width / max(width_divisor, 1)), round(height / max(height_divisor, 1))


def _brands(data: bytes) -> set[bytes]:
    """Return the major and the first compatible brands of an ISO base media file."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    return {data[place : place + 4] for place in range(8, length - 3, 4)}


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes that lie directly in data[start:end]."""
    end = min(end, len(data))
    position = start
    for _ in header_parts():
        if position + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", data, position)
        content = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, content)
            content += 8
        if 0 < length < content - position:
            raise ValueError("a box is too short")
        stop = position + length if length else end
        yield _Box(kind, content, min(stop, end))
        position = stop
