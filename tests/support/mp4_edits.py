"""Edit lists for MP4 files of tests: replaces what the muxer wrote, as phones and QuickTime do when they trim."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

Edit = tuple[Fraction | None, Fraction]
"""Start in the track's media (None: nothing is shown) and duration, in seconds."""


def set_edits(path: Path, edits: Mapping[int, Sequence[Edit]]) -> None:
    """Replace the edit lists of the tracks with these positions; the index must be the last box of the file."""
    data = path.read_bytes()
    begin, moov = next((begin, content) for kind, begin, content in boxes(data) if kind == b"moov")
    assert begin + 8 + len(moov) == len(data), "the index must be the last box"
    scale = next(struct.unpack(">I", content[12:16])[0] for kind, _, content in boxes(moov) if kind == b"mvhd")
    parts, track = [], 0
    for kind, _, content in boxes(moov):
        if kind == b"trak":
            content = _with_edits(content, edits[track], scale) if track in edits else content
            track += 1
        parts.append(box(kind, content))
    path.write_bytes(data[:begin] + box(b"moov", b"".join(parts)))


def _with_edits(trak: bytes, edits: Sequence[Edit], movie_scale: int) -> bytes:
    mdia = next(content for kind, _, content in boxes(trak) if kind == b"mdia")
    mdhd = next(content for kind, _, content in boxes(mdia) if kind == b"mdhd")
    media_scale = struct.unpack(">I", mdhd[12:16])[0]
    entries = b"".join(
        struct.pack(">iihh", round(duration * movie_scale), -1 if start is None else round(start * media_scale), 1, 0)
        for start, duration in edits
    )
    elst = box(b"elst", struct.pack(">II", 0, len(edits)) + entries)
    kept = [(kind, content) for kind, _, content in boxes(trak) if kind != b"edts"]
    kept.insert(1, (b"edts", elst))
    return b"".join(box(kind, content) for kind, content in kept)


def boxes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield kind, position and content of the boxes in `data`, which all have lengths of 32 bits."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        yield kind, position, data[position + 8 : position + length]
        position += length


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
