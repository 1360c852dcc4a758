"""Edit lists of MP4 and QuickTime files: does a track deliberately start late?

FFmpeg applies edit lists and does not show them. A late first frame can be a deliberate delay (an empty edit) or only
the delay of reordered frames and the clock of a fragment; players show the former as a pause and begin with the latter.
Source: ISO/IEC 14496-12, 8.6.6.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from frame_tools.media.containers import ByteSource

_HEADER_BYTES: Final = 8
_MAX_MOOV_BYTES: Final = 256 * 2**20
_TKHD_TRACK_ID: Final = {0: 12, 1: 20}  # offset of the track id by version of the box
_ELST_ENTRIES: Final = 8
_ENTRY_TIME: Final = {0: (4, 8, 12), 1: (8, 16, 20)}  # end of the duration, of the media time, and of the entry


def has_initial_gap(file: Path, track_id: int) -> bool:
    """Return whether the track begins with an empty edit; False if the file has no readable edit list."""
    with file.open("rb") as stream:
        moov = read_moov(stream, file.stat().st_size)
    for trak in boxes(moov, b"trak"):
        header = next(boxes(trak, b"tkhd"), b"")
        if header and read_track_id(header) == track_id:
            return any(_begins_empty(elst) for edts in boxes(trak, b"edts") for elst in boxes(edts, b"elst"))
    return False


def read_moov(stream: ByteSource, size: int) -> bytes:
    """Return the content of the moov box, or no bytes."""
    position = 0
    while position + _HEADER_BYTES <= size:
        stream.seek(position)
        length, kind, header = _header(stream.read(2 * _HEADER_BYTES))
        length = length or size - position
        if length < header:
            break
        if kind == b"moov":
            stream.seek(position + header)
            return stream.read(min(length - header, _MAX_MOOV_BYTES))
        position += length
    return b""


def boxes(data: bytes, selected: bytes | None) -> Iterator[bytes]:
    """Yield the content of all boxes of this kind (None: of every kind) that lie directly in `data`."""
    position = 0
    while position + _HEADER_BYTES <= len(data):
        length, kind, header = _header(data[position : position + 2 * _HEADER_BYTES])
        length = length or len(data) - position
        if length < header:
            return
        if selected in (None, kind):
            yield data[position + header : position + length]
        position += length


def _header(data: bytes) -> tuple[int, bytes, int]:
    """Return length, kind and header length of a box; length 0 means to the end."""
    length, kind = int.from_bytes(data[:4], "big"), data[4:8]
    if length == 1:
        return int.from_bytes(data[8:16], "big"), kind, 2 * _HEADER_BYTES
    return length, kind, _HEADER_BYTES


def read_track_id(tkhd: bytes) -> int:
    """Return the track id of a track header box."""
    begin = _TKHD_TRACK_ID.get(tkhd[0], len(tkhd))
    return int.from_bytes(tkhd[begin : begin + 4], "big")


def _begins_empty(elst: bytes) -> bool:
    """Return whether the first edit shows nothing (media time -1) for some time."""
    if len(elst) < _ELST_ENTRIES or elst[0] not in _ENTRY_TIME:
        return False
    duration_end, time_end, entry_end = _ENTRY_TIME[elst[0]]
    entry = elst[_ELST_ENTRIES : _ELST_ENTRIES + entry_end]
    duration = int.from_bytes(entry[:duration_end], "big")
    media_time = int.from_bytes(entry[duration_end:time_end], "big", signed=True)
    return len(entry) >= time_end and duration > 0 and media_time == -1
