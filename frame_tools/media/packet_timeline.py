"""Continuous time for the packets of a file whose clock goes back or jumps.

Recordings that were appended byte by byte, and streams that restarted, contain several clocks. Players and FFmpeg's
command line let the later material follow directly. `scan` reads all packets once, without decoding, and finds the
places; `PacketTimeline.demux` then moves the packets. Picture and sound of one recording move by the same amount, so
they stay in sync.

Thresholds: a step back of more than 0.1 s is a new clock; smaller ones are doubled or jittering timestamps. Formats
that broadcast a clock (MPEG-TS, MPEG-PS) also have a new clock after a gap of more than 10 s, as in FFmpeg
(fftools/ffmpeg_demux.c: `ts_discontinuity_process`, dts_delta_threshold); in other formats a gap is a gap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, TypeAlias

from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

AnyPacket: TypeAlias = "Packet[Any]"  # a string: generic in PyAV's stubs only

BROADCAST_FORMATS: Final = frozenset({"mpegts", "mpeg"})
_STEP_BACK_SECONDS: Final = Fraction(1, 10)
_GAP_SECONDS: Final = 10
# Jumps of picture and sound that differ by at most this much are the same one.
_SAME_JUMP_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Jump:
    """A new clock from the packet with this number (from 0, in the stream) on, and the seconds that close the jump."""

    packet: int
    seconds: Fraction


@dataclass(slots=True)
class StreamScan:
    """What one stream's packets show; times in seconds on the file's own clock, `end` by decode times.

    `has_edits`: several parts of the stream are shown (an edit list with more than one edit).
    """

    packets: int = 0
    start: Fraction | None = None
    end: Fraction = Fraction(0)
    has_edits: bool = False
    jumps: list[Jump] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PacketTimeline:
    """The scanned streams by index, and the jumps that their packets have to be moved by."""

    streams: Mapping[int, StreamScan]
    jumps: Mapping[int, tuple[Jump, ...]]

    @property
    def jump_count(self) -> int:
        """The number of new clocks, counted in the stream that has most of them."""
        return max((len(jumps) for jumps in self.jumps.values()), default=0)

    @property
    def end(self) -> Fraction:
        """When the last packet of all scanned streams ends, in seconds on the file's own clock."""
        return max((stream.end for stream in self.streams.values()), default=Fraction(0))

    def moved_seconds(self, stream: Stream) -> Fraction:
        """Return by how much the last packets of a stream are moved."""
        return sum((jump.seconds for jump in self.jumps.get(stream.index, ())), Fraction(0))

    def demux(self, container: InputContainer, streams: Sequence[Stream]) -> Iterator[AnyPacket]:
        """Yield all packets of `streams`, moved to the continuous clock; the last ones are empty and flush decoders.

        Other streams are discarded by the demuxer.
        """
        pending = {stream.index: list(reversed(self.jumps.get(stream.index, ()))) for stream in streams}
        offsets = dict.fromkeys(pending, Fraction(0))
        counts = dict.fromkeys(pending, 0)
        for packet in _demux(container, streams):
            index = packet.stream.index
            if packet.size:
                if pending[index] and pending[index][-1].packet == counts[index]:
                    offsets[index] += pending[index].pop().seconds
                counts[index] += 1
                if offsets[index]:
                    _move(packet, offsets[index])
            yield packet


UNCHANGED: Final = PacketTimeline({}, {})
"""For files whose packets need no moving."""


def scan(container: InputContainer, video: Stream) -> PacketTimeline:
    """Read all packets of the `video` stream and of all audio and subtitle streams once, without decoding."""
    subtitles = [stream for stream in container.streams.subtitles if stream.codec_context is not None]
    streams: list[Stream] = [video, *container.streams.audio, *subtitles]
    scanner = _Scanner(has_broadcast_clock=container.format.name in BROADCAST_FORMATS)
    results = {stream.index: StreamScan() for stream in streams}
    for packet in _demux(container, streams):
        if packet.size:
            scanner.add(packet, results[packet.stream.index])
    led = results[video.index].jumps
    sounds = {stream.index for stream in container.streams.audio}
    jumps = {
        index: tuple(result.jumps if index == video.index else _follow(result.jumps, led))
        for index, result in results.items()
        if index == video.index or index in sounds
    }
    return PacketTimeline(results, jumps)


class _Scanner:
    """Compares each packet with the one before it in its stream."""

    def __init__(self, *, has_broadcast_clock: bool) -> None:
        self._has_broadcast_clock = has_broadcast_clock
        self._ends: dict[int, Fraction] = {}
        self._times: dict[int, Fraction] = {}
        self._steps: dict[int, Fraction] = {}
        self._shown: set[int] = set()
        self._paused: set[int] = set()

    def add(self, packet: AnyPacket, result: StreamScan) -> None:
        """Note the packet's time in the stream's `result`."""
        index = packet.stream.index
        if not packet.is_discard:
            self._shown.add(index)
            result.has_edits |= index in self._paused
        elif index in self._shown:
            self._paused.add(index)
        start = _seconds(packet.dts if packet.pts is None else packet.pts, packet)
        if start is not None and not packet.is_discard and (result.start is None or not result.packets):
            result.start = start
        time = _seconds(packet.dts, packet)
        if time is not None and not packet.is_discard:
            self._compare(index, time, packet, result)
        result.packets += 1

    def _compare(self, index: int, time: Fraction, packet: AnyPacket, result: StreamScan) -> None:
        if index in self._times and not result.has_edits:
            difference = time - self._times[index]
            is_gap = self._has_broadcast_clock and time - self._ends[index] > _GAP_SECONDS
            if difference < -_STEP_BACK_SECONDS or is_gap:
                result.jumps.append(Jump(result.packets, self._ends[index] - time))
            elif difference > 0:
                self._steps[index] = difference
        self._times[index] = time
        duration = _seconds(packet.duration or None, packet) or self._steps.get(index, Fraction(0))
        self._ends[index] = time + duration
        result.end = max(result.end, self._ends[index])


def _follow(jumps: Sequence[Jump], led: Sequence[Jump]) -> list[Jump]:
    """Return the jumps of a sound with the amounts of the picture's jumps that they belong to."""
    followed: list[Jump] = []
    remaining = list(led)
    for jump in jumps:
        matching = [candidate for candidate in remaining if abs(candidate.seconds - jump.seconds) <= _SAME_JUMP_SECONDS]
        if matching:
            remaining = remaining[remaining.index(matching[0]) + 1 :]
        followed.append(Jump(jump.packet, matching[0].seconds if matching else jump.seconds))
    return followed


def _demux(container: InputContainer, streams: Sequence[Stream]) -> Iterator[AnyPacket]:
    """Yield the packets of `streams`; the demuxer discards all others."""
    indices = [stream.index for stream in streams]
    for stream in container.streams:
        if stream.index not in indices:
            stream.discard = Discard.all
    if indices:
        yield from container.demux(*indices)


def _move(packet: AnyPacket, seconds: Fraction) -> None:
    ticks = round(seconds / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


def _seconds(ticks: int | None, packet: AnyPacket) -> Fraction | None:
    return None if ticks is None else ticks * Fraction(packet.time_base)
