"""Whether decoding may begin at a packet: what codecs promise about key frames, read from the packets themselves.

Containers also call frames key frames that are none: in H.264, a picture from which a decoder recovers (an open group
of pictures, intra refresh) may be followed by pictures that refer to earlier ones, so only IDR pictures count. In HEVC,
pictures that are shown after a random access picture never refer to earlier ones (ITU-T H.265, 7.4.2.2).
"""

from collections.abc import Iterator
from typing import Final

from av.video.codeccontext import VideoCodecContext

from frame_tools.media.packet_timeline import AnyPacket

_RESETTING_CODECS: Final = frozenset({"mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9", "av1", "ffv1"})
"""Codecs other than H.264 and HEVC whose key frames are always intact without the frames before."""
_INTRA_CODECS: Final = frozenset({"png", "rawvideo"})
"""Codecs without references between frames that FFmpeg does not describe as such."""
_AVC_IDR: Final = 5
_AVC_SLICES: Final = range(1, 6)
_HEVC_RANDOM_ACCESS: Final = range(16, 22)
_HEVC_PICTURES: Final = range(32)


def is_random_access(packet: AnyPacket, context: VideoCodecContext) -> bool:
    """Return whether the frame of a key packet, and all that are shown after it, can be decoded from it on."""
    if context.name == "h264":
        return _first_kind(packet, context, length_at=4, kinds=_AVC_SLICES, shift=0, mask=0x1F) == _AVC_IDR
    if context.name == "hevc":
        kind = _first_kind(packet, context, length_at=21, kinds=_HEVC_PICTURES, shift=1, mask=0x3F)
        return kind in _HEVC_RANDOM_ACCESS
    return context.codec.intra_only or context.name in _RESETTING_CODECS | _INTRA_CODECS


def _first_kind(
    packet: AnyPacket, context: VideoCodecContext, *, length_at: int, kinds: range, shift: int, mask: int
) -> int | None:
    """Return the kind of the first unit of `kinds` in a packet of units with their length in front; None without.

    `length_at` is where the decoder configuration has the number of bytes of a length (ISO/IEC 14496-15, 5.3.3, 8.3.3).
    """
    header = context.extradata or b""
    if len(header) <= length_at or header[0] != 1:
        return None  # units with start codes, as in transport streams, which have no index either
    length_bytes = (header[length_at] & 3) + 1
    units = (unit >> shift & mask for unit in _unit_headers(bytes(packet), length_bytes))
    return next((kind for kind in units if kind in kinds), None)


def _unit_headers(data: bytes, length_bytes: int) -> Iterator[int]:
    """Yield the first byte of each unit."""
    position = 0
    while position + length_bytes < len(data):
        yield data[position + length_bytes]
        position += length_bytes + int.from_bytes(data[position : position + length_bytes], "big")
