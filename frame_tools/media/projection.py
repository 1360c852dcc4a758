"""360° video: the projection and the stereo layout that a player needs, read from frames and written into a template.

FFmpeg's muxers take both from the stream that serves as the template for the output's video track, which is the first
segment. PyAV can't set them there, so they are inserted into the segment's sample description.
Sources: libavutil/spherical.h, libavutil/stereo3d.h; Spherical Video V2 RFC (boxes st3d and sv3d).
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Final, cast

from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame

from frame_tools.contracts.choices import VideoContainer
from frame_tools.contracts.media_description import Projection, StereoLayout

_EQUIRECTANGULAR: Final = (0, 2)  # whole, and with bounds
_MAPPING: Final = struct.Struct("=i3i4I")
_STEREO: Final[dict[int, StereoLayout]] = {1: "side_by_side", 2: "top_bottom"}
_ST3D_MODES: Final[dict[StereoLayout, int]] = {"top_bottom": 1, "side_by_side": 2}
_SAMPLE_ENTRY: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1")
# Bytes between a box's header and the boxes in it.
_FIELDS_BYTES: Final = {b"stsd": 8, b"avc1": 78}
_HEADER_BYTES: Final = 8


def read_projection(frame: VideoFrame) -> tuple[Projection | None, str | None]:
    """Return the projection of a 360° frame (None: flat), and a note if it is one that can't be kept."""
    data = _side_data(frame, Type.SPHERICAL)
    if data is None:
        return None, None
    kind, yaw, pitch, roll, left, top, right, bottom = _MAPPING.unpack_from(data)
    if kind not in _EQUIRECTANGULAR:
        return None, "Left out the 360° projection: it is not equirectangular"
    bounds = (top, bottom, left, right)
    return Projection(yaw=yaw, pitch=pitch, roll=roll, bounds=bounds), None


def read_stereo_layout(frame: VideoFrame) -> StereoLayout | None:
    """Return how the pictures for both eyes lie in a frame; None for one picture."""
    data = _side_data(frame, Type.STEREO3D)
    return None if data is None else _STEREO.get(int.from_bytes(data[:4], "little"))


def describe_lost_projection(
    projection: Projection | None, stereo: StereoLayout | None, container: VideoContainer
) -> list[str]:
    """Say what a container can't hold: FFmpeg writes them into QuickTime files in Apple's form only, without angles."""
    kinds = [name for name, value in (("360° projection", projection), ("stereo layout", stereo)) if value is not None]
    return [f"Only Apple's players find the {name} in MOV; use MP4 for others" for name in kinds if container == "mov"]


def with_projection(segment: bytes, projection: Projection | None, stereo: StereoLayout | None) -> bytes:
    """Return an MP4 whose index follows its data, with projection and stereo layout in its sample description."""
    boxes = b""
    if stereo is not None:
        boxes += _full_box(b"st3d", bytes([_ST3D_MODES[stereo]]))
    if projection is not None:
        header = struct.pack(">3i", projection.yaw, projection.pitch, projection.roll)
        equi = struct.pack(">4I", *projection.bounds)
        proj = _box(b"proj", _full_box(b"prhd", header) + _full_box(b"equi", equi))
        boxes += _box(b"sv3d", _full_box(b"svhd", b"\0") + proj)
    return _append(segment, _SAMPLE_ENTRY, boxes) if boxes else segment


def _side_data(frame: VideoFrame, kind: Type) -> bytes | None:
    entries = cast("Iterable[SideData]", frame.side_data)
    return next((bytes(entry) for entry in entries if entry.type == kind), None)


def _append(data: bytes, path: Sequence[bytes], addition: bytes) -> bytes:
    """Append `addition` to the content of the box at `path`; other boxes stay as they are."""
    position, parts = 0, []
    while position + _HEADER_BYTES <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        content = data[position + _HEADER_BYTES : position + length]
        if path and kind == path[0]:
            fixed = _FIELDS_BYTES.get(kind, 0)
            content = content[:fixed] + _append(content[fixed:], path[1:], addition)
            path = (b"",)  # only the first track
        parts.append(_box(kind, content))
        position += length
    return b"".join(parts) + (addition if not path else b"")


def _full_box(kind: bytes, content: bytes) -> bytes:
    return _box(kind, bytes(4) + content)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", _HEADER_BYTES + len(content), kind) + content
