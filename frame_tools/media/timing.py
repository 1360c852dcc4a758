"""Time stamps for joined packets: presentation times from the manifest, decode times planned without a first pass.

The encoder decodes no frame more than one place after its place in presentation order. So the packet at place j of
the whole stream can be decoded when the frame before the j-th is shown: dts[j] = pts_sorted[j - 1]. Then dts rises,
dts <= pts, for constant and variable rates, and nothing depends on where the batch borders are.

A constant delay for the whole stream would do as well in theory. With variable rates it must be as long as the longest
gap, and libavformat's MP4 muxer then writes a wrong edit list: it takes the track's start from the smallest pts - dts
among all packets with dts <= 0 (movenc.c, `start_cts`; seen as pictures one frame early).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PacketTime:
    """Times of one packet, in the manifest's time base; `duration` is at least 1."""

    pts: int
    dts: int
    duration: int


def presentation_ranks(stamps: Sequence[int]) -> list[int]:
    """Turn the time stamps of one segment's packets (in decode order) into frame indices from zero.

    Raises ValueError if two packets have the same stamp.
    """
    rank = {stamp: index for index, stamp in enumerate(sorted(stamps))}
    if len(rank) != len(stamps):
        raise ValueError("two packets carry the same time stamp")
    return [rank[stamp] for stamp in stamps]


def packet_times(pts: Sequence[int], ranks: Sequence[int], *, start: int, last_duration: int) -> list[PacketTime]:
    """Plan the packets of one segment, whose first frame is the frame `start` of the stream.

    `pts` are the whole stream's time stamps in presentation order, strictly rising; `ranks` are the segment's frame
    indices in decode order. The packet that is decoded last ends with the stream, so it gets `last_duration` too:
    muxers take a track's length from it.
    Raises ValueError if the first frame is not decoded first, or a frame later than the encoder ever does.
    """
    if ranks and ranks[0] != 0:
        raise ValueError(f"frame {start + ranks[0]} comes first")
    last = len(pts) - 1
    times = []
    for offset, rank in enumerate(ranks):
        place, frame = start + offset, start + rank
        if rank < offset - 1:
            raise ValueError(f"frame {frame} is decoded at place {place}")
        dts = pts[place - 1] if place else pts[0] - _lead(pts, last_duration)
        duration = last_duration if last in (place, frame) else pts[frame + 1] - pts[frame]
        times.append(PacketTime(pts[frame], dts, duration))
    return times


def _lead(pts: Sequence[int], last_duration: int) -> int:
    """By how much the first packet is decoded early: one frame step, so that constant rates stay constant in dts.

    Not more than the first step, for the muxer's sake (see above).
    """
    return min(last_duration, pts[1] - pts[0]) if len(pts) > 1 else last_duration
