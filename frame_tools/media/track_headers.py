"""What the header of a video track says beyond what PyAV shows: cropping, Dolby Vision, and encryption.

FFmpeg reads these fields, but PyAV does not expose a stream's side data.
Sources: ISO/IEC 14496-12 (boxes, `clap`, `sinf`); RFC 9559 (Matroska elements); "Dolby Vision Streams Within the ISO
Base Media File Format", 3.1 and 3.2 (configuration record).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from frame_tools.contracts.media_description import Color
from frame_tools.media.color import HLG, PQ
from frame_tools.media.containers import ByteSource
from frame_tools.media.edit_lists import boxes, read_moov, read_track_id

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom edge of a rectangle in pixels, as Pillow's `crop` takes them."""

_SAMPLE_ENTRY_HEADER: Final = 8  # version, flags and number of entries of `stsd`
_VISUAL_ENTRY_BYTES: Final = 78
_CLAP_BYTES: Final = 32
_DOLBY_BOXES: Final = (b"dvcC", b"dvvC", b"dvwC")
_MIN_DOLBY_BYTES: Final = 5
_PROFILES_WITHOUT_COMPATIBLE_BASE: Final = frozenset({10, 20})
_PROFILE_5: Final = 5
_BT2020: Final = 9
# By the compatibility id of the configuration record; 6 is HDR10 with the levels of a Blu-ray.
_BASE_COLORS: Final = {
    kind: Color(primaries=_BT2020, transfer=transfer, matrix=_BT2020) for kind, transfer in ((1, PQ), (4, HLG), (6, PQ))
}

_SEGMENT: Final = 0x18538067
_TRACKS: Final = 0x1654AE6B
_TRACK_ENTRY: Final = 0xAE
_TRACK_TYPE: Final = 0x83
_TYPE_VIDEO: Final = 1
_VIDEO: Final = 0xE0
_CROPS: Final = {"bottom": 0x54AA, "top": 0x54BB, "left": 0x54CC, "right": 0x54DD}
_ADDITION_MAPPING: Final = 0x41E4
_ADDITION_TYPE: Final = 0x41E7
_ADDITION_DATA: Final = 0x41ED
_ENCODINGS: Final = 0x6D80
_ENCODING: Final = 0x6240
_ENCRYPTION: Final = 0x5035
_MAX_TRACKS_BYTES: Final = 64 * 2**20
_MAX_ELEMENT_HEADER: Final = 12


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """Fields of a video track's header.

    `crop` is the part of the stored frame that is shown, None if all of it is. `dolby_profile` is the Dolby Vision
    profile, None without Dolby Vision; `has_plain_base` says whether players without Dolby Vision can show it, and
    `base_color` how, if the record says that it is HDR10 or HLG.
    """

    crop: Box | None = None
    dolby_profile: int | None = None
    has_plain_base: bool = True
    is_encrypted: bool = False
    base_color: Color | None = None


def read_track_header(file: Path | ByteSource, container: InputContainer, stream: VideoStream) -> TrackHeader:
    """Read the header of a video stream of `file`; fields that the format does not have keep their defaults."""
    if isinstance(file, Path):
        with file.open("rb") as data:
            return _read(data, container, stream)
    position = file.tell()
    header = _read(file, container, stream)
    file.seek(position)  # where the container goes on to read
    return header


def _read(file: ByteSource, container: InputContainer, stream: VideoStream) -> TrackHeader:
    size = stream.codec_context.width, stream.codec_context.height
    if container.format.name.startswith("mov"):
        return _read_mp4(read_moov(file, file.seek(0, io.SEEK_END)), stream.id, size)
    if container.format.name.startswith("matroska"):
        file.seek(0)
        tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
        return _read_matroska(file, tracks.index(stream), size)
    return TrackHeader()


def _read_mp4(moov: bytes, number: int, size: tuple[int, int]) -> TrackHeader:
    for trak in boxes(moov, b"trak"):
        tkhd = next(boxes(trak, b"tkhd"), b"")
        if not tkhd or read_track_id(tkhd) != number:
            continue
        for stsd in _descend(trak, b"mdia", b"minf", b"stbl", b"stsd"):
            children = b"".join(entry[_VISUAL_ENTRY_BYTES:] for entry in boxes(stsd[_SAMPLE_ENTRY_HEADER:], None))
            clap = next(boxes(children, b"clap"), b"")
            record = next((data for kind in _DOLBY_BOXES for data in boxes(children, kind)), b"")
            return _header(
                crop=_clean_aperture(clap, size),
                record=record,
                is_encrypted=any(True for _ in boxes(children, b"sinf")),
            )
    return TrackHeader()


def _descend(data: bytes, *path: bytes) -> Iterator[bytes]:
    """Yield the content of all boxes at a path of nested boxes."""
    if not path:
        yield data
        return
    for content in boxes(data, path[0]):
        yield from _descend(content, *path[1:])


def _clean_aperture(clap: bytes, size: tuple[int, int]) -> Box | None:
    """Return the rectangle of a clean aperture box, None without one."""
    if len(clap) < _CLAP_BYTES:
        return None
    numbers = [int.from_bytes(clap[at : at + 4], "big", signed=True) for at in range(0, _CLAP_BYTES, 4)]
    if not all(numbers[1::2]):
        return None
    wide, high, right, down = (Fraction(numbers[at], numbers[at + 1]) for at in range(0, 8, 2))
    left = (size[0] - wide) / 2 + right
    top = (size[1] - high) / 2 + down
    return _checked_crop((round(left), round(top), round(left + wide), round(top + high)), size)


def _checked_crop(crop: Box, size: tuple[int, int]) -> Box | None:
    """Return `crop` if it is a smaller rectangle inside the frame, else None."""
    left, top, right, bottom = crop
    is_inside = 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
    return crop if is_inside and crop != (0, 0, *size) else None


def _header(*, crop: Box | None, record: bytes, is_encrypted: bool) -> TrackHeader:
    """Return the header with the fields of a Dolby Vision configuration record, if there is one."""
    if len(record) < _MIN_DOLBY_BYTES:
        return TrackHeader(crop=crop, is_encrypted=is_encrypted)
    profile, compatibility = record[2] >> 1, record[4] >> 4
    has_plain_base = profile != _PROFILE_5 and (compatibility != 0 or profile not in _PROFILES_WITHOUT_COMPATIBLE_BASE)
    return TrackHeader(crop, profile, has_plain_base, is_encrypted, _BASE_COLORS.get(compatibility))


def _read_matroska(file: ByteSource, position: int, size: tuple[int, int]) -> TrackHeader:
    """Read the video track at this position among all video tracks."""
    entries = [
        entry for entry in _elements(_read_tracks(file), _TRACK_ENTRY) if _number(entry, _TRACK_TYPE) == _TYPE_VIDEO
    ]
    if position >= len(entries):
        return TrackHeader()
    entry = entries[position]
    video = next(_elements(entry, _VIDEO), b"")
    cut = {side: _number(video, element) for side, element in _CROPS.items()}
    crop = (cut["left"], cut["top"], size[0] - cut["right"], size[1] - cut["bottom"])
    kinds = {int.from_bytes(kind, "big") for kind in _DOLBY_BOXES}
    record = next(
        (
            next(_elements(mapping, _ADDITION_DATA), b"")
            for mapping in _elements(entry, _ADDITION_MAPPING)
            if _number(mapping, _ADDITION_TYPE) in kinds
        ),
        b"",
    )
    is_encrypted = any(
        True
        for encodings in _elements(entry, _ENCODINGS)
        for encoding in _elements(encodings, _ENCODING)
        for _ in _elements(encoding, _ENCRYPTION)
    )
    return _header(crop=_checked_crop(crop, size), record=record, is_encrypted=is_encrypted)


def _read_tracks(file: ByteSource) -> bytes:
    """Return the content of the element Tracks, which may follow the clusters; no bytes without one."""
    while True:
        at = file.tell()
        kind, length, header = _element_header(file.read(_MAX_ELEMENT_HEADER))
        if kind == 0 or (length is None and kind != _SEGMENT):
            return b""
        file.seek(at + header)
        if kind == _TRACKS:
            return file.read(min(length or 0, _MAX_TRACKS_BYTES))
        if kind != _SEGMENT:
            file.seek(at + header + (length or 0))


def _elements(data: bytes, element_id: int) -> Iterator[bytes]:
    """Yield the content of all elements of this kind that lie directly in `data`."""
    position = 0
    while position < len(data):
        kind, length, header = _element_header(data[position : position + _MAX_ELEMENT_HEADER])
        if kind == 0 or length is None:
            return
        begin = position + header
        if kind == element_id:
            yield data[begin : begin + length]
        position = begin + length


def _number(data: bytes, element_id: int) -> int:
    """Return the unsigned integer of an element in `data`, 0 without one."""
    return int.from_bytes(next(_elements(data, element_id), b""), "big")


def _element_header(data: bytes) -> tuple[int, int | None, int]:
    """Return id, length (None: unknown) and header length of an element; id 0 for data that is none."""
    id_bytes = _variable_length(data)
    size_bytes = _variable_length(data[id_bytes:])
    header = id_bytes + size_bytes
    if not id_bytes or not size_bytes or len(data) < header:
        return 0, None, 0
    value = int.from_bytes(data[id_bytes:header], "big") & ((1 << 7 * size_bytes) - 1)
    is_unknown = value == (1 << 7 * size_bytes) - 1
    return int.from_bytes(data[:id_bytes], "big"), None if is_unknown else value, header


def _variable_length(data: bytes) -> int:
    """Return the number of bytes of a variable-size integer from its first byte, 0 if there is none."""
    return 9 - data[0].bit_length() if data and data[0] else 0
