"""Header fields that FFmpeg's muxers do not write, put into generated Matroska and MP4 files."""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.mp4_edits import box, boxes

MP4_INDEX_LAST = {"movflags": "disable_chpl"}
MATROSKA_LIVE = {"live": "1"}
"""No seek tables, whose positions would be wrong after an edit."""
_SEGMENT, _TRACKS, _TRACK_ENTRY, _TRACK_TYPE, _VIDEO, _CRC_32 = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0, 0xBF
_CROPS = {"bottom": 0x54AA, "top": 0x54BB, "left": 0x54CC, "right": 0x54DD}
_UNKNOWN_LENGTH = b"\x01" + b"\xff" * 7
_SAMPLE_ENTRY_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def crop_matroska(path: Path, crop: Mapping[str, int]) -> None:
    """Add PixelCrop elements to all video tracks of a file made with MATROSKA_LIVE."""
    fields = b"".join(element(_CROPS[side], pixels.to_bytes(2, "big")) for side, pixels in crop.items())
    add_to_matroska_tracks(path, video=fields)


def add_to_matroska_tracks(path: Path, *, track: bytes = b"", video: bytes = b"") -> None:
    """Add elements to all video tracks, and to their element Video, of a file made with MATROSKA_LIVE."""
    data = path.read_bytes()
    _, length, begin = _header(data, 0)
    segment = begin + (length or 0)
    parts = [data[:segment], _SEGMENT.to_bytes(4, "big"), _UNKNOWN_LENGTH]
    _, _, position = _header(data, segment)
    while position < len(data):
        kind, length, content_begin = _header(data, position)
        end = len(data) if length is None else content_begin + length
        if kind == _TRACKS:
            parts.append(element(kind, _edit_tracks(data[content_begin:end], track, video)))
        else:
            parts.append(data[position:end])
        position = end
    path.write_bytes(b"".join(parts))


def _edit_tracks(tracks: bytes, in_track: bytes, in_video: bytes) -> bytes:
    entries = []
    for kind, content in _children(tracks):
        if kind == _CRC_32:  # of the tracks before the edit
            continue
        fields = list(_children(content)) if kind == _TRACK_ENTRY else []
        if (_TRACK_TYPE, b"\x01") in fields:
            content = in_track + b"".join(
                element(field, value + in_video * (field == _VIDEO)) for field, value in fields
            )
        entries.append(element(kind, content))
    return b"".join(entries)


def element(kind: int, content: bytes) -> bytes:
    """Return an EBML element; its length takes eight bytes."""
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        kind, length, begin = _header(data, position)
        assert length is not None
        yield kind, data[begin : begin + length]
        position = begin + length


def _header(data: bytes, position: int) -> tuple[int, int | None, int]:
    """Return id, length (None: unknown) and begin of the content."""
    id_bytes = 9 - data[position].bit_length()
    at = position + id_bytes
    size_bytes = 9 - data[at].bit_length()
    mask = (1 << 7 * size_bytes) - 1
    value = int.from_bytes(data[at : at + size_bytes], "big") & mask
    kind = int.from_bytes(data[position:at], "big")
    return kind, None if value == mask else value, at + size_bytes


def clean_aperture(width: int, height: int, right: int, down: int) -> bytes:
    """Return the box of an aperture of this size, whose center is moved right and down."""
    return box(b"clap", struct.pack(">8i", width, 1, height, 1, right, 1, down, 1))


def add_to_sample_entry(path: Path, addition: bytes) -> None:
    """Append a box to the sample entries of all tracks; the index must be the last box of the file."""
    data = path.read_bytes()
    begin, moov = next((begin, content) for kind, begin, content in boxes(data) if kind == b"moov")
    assert begin + 8 + len(moov) == len(data), "the index must be the last box"
    path.write_bytes(data[:begin] + box(b"moov", _edit(moov, _SAMPLE_ENTRY_PATH[1:], addition)))


def _edit(content: bytes, path: tuple[bytes, ...], addition: bytes) -> bytes:
    if not path:
        entries = b"".join(box(kind, entry + addition) for kind, _, entry in boxes(content[8:]))
        return content[:8] + entries
    return b"".join(
        box(kind, _edit(inner, path[1:], addition) if kind == path[0] else inner) for kind, _, inner in boxes(content)
    )
