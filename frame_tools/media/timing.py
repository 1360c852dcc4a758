"""Time stamps for joined packets: presentation times from the manifest, decode times planned without a first pass.

Packets come in decode order. The j-th packet of the whole stream gets dts[j] = pts_sorted[j] - c with one constant
c for the stream. As no frame is decoded more than `depth` places after its place in presentation order, c as
computed by `decode_delay` makes dts <= pts everywhere, and dts rises because pts_sorted does; both hold for
variable frame rates, and neither depends on where the batch borders are.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PacketTime:
    """Times of one packet, in the manifest's time base; `duration` is at least 1."""

    pts: int
    dts: int
    duration: int


def decode_delay(pts: Sequence[int], depth: int) -> int:
    """Return c, by how much decoding runs ahead: the longest time that `depth` frame steps take anywhere.

    `pts` are all time stamps of the stream in presentation order, strictly rising; `depth` >= 0 is the encoder's
    reorder depth.
    """
    if isinstance(pts, range):
        return pts.step * min(depth, len(pts) - 1)
    return max(pts[place] - pts[max(0, place - depth)] for place in range(len(pts)))


def presentation_ranks(stamps: Sequence[int]) -> list[int]:
    """Turn the time stamps of one segment's packets (in decode order) into frame indices from zero.

    Raises ValueError if two packets have the same stamp.
    """
    rank = {stamp: index for index, stamp in enumerate(sorted(stamps))}
    if len(rank) != len(stamps):
        raise ValueError("two packets carry the same time stamp")
    return [rank[stamp] for stamp in stamps]


def packet_times(
    pts: Sequence[int], ranks: Sequence[int], *, start: int, delay: int, last_duration: int
) -> list[PacketTime]:
    """Plan the packets of one segment, whose first frame is the frame `start` of the stream.

    `pts` are the whole stream's time stamps, `ranks` the segment's frame indices in decode order, `delay` is c
    from `decode_delay`. The packet that is decoded last ends with the stream, so it gets `last_duration` too:
    muxers take a track's length from it.
    Raises ValueError if a frame is decoded later than the delay allows.
    """
    last = len(pts) - 1
    times = []
    for offset, rank in enumerate(ranks):
        place, frame = start + offset, start + rank
        dts = pts[place] - delay
        if dts > pts[frame]:
            raise ValueError(f"frame {frame} is decoded at place {place}, later than the encoder ever does")
        ends = place == last or frame == last
        duration = last_duration if ends else pts[frame + 1] - pts[frame]
        times.append(PacketTime(pts[frame], dts, duration))
    return times
