"""Copies of audio tracks packet by packet, from the output's time 0 on."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias

from av.audio.stream import AudioStream
from av.packet import Packet

from frame_tools.media.packet_timeline import AnyPacket

AudioPacket: TypeAlias = "Packet[AudioStream]"  # a string: generic in PyAV's stubs only

# Packets before the first audible one that a decoder needs for exact output.
_WARM_UP_PACKETS: Final = {"aac": 1, "ac3": 1, "eac3": 1, "mp2": 1, "mp3": 2, "opus": 4, "vorbis": 1}


@dataclass(slots=True)
class TrackCopier:
    """Copies the packets that are audible in the output, moved so that `origin` becomes time 0.

    `can_start_early`: packets before time 0 are allowed; the edit list of an MP4 hides them.
    """

    source: AudioStream
    codec: str
    origin: Fraction
    can_start_early: bool
    has_begun: bool = False
    warm_up: deque[AudioPacket] = field(default_factory=deque)
    last_dts: int | None = None

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """Yield the packet, moved, unless it lies before the beginning."""
        if packet.size == 0:
            return
        complete_timestamps(packet)
        shift = round(self.origin / packet.time_base)
        packet.pts, packet.dts = (packet.pts or 0) - shift, (packet.dts or 0) - shift
        if not self.has_begun and packet.pts + (packet.duration or 0) <= 0:
            self.warm_up.append(packet)
            if len(self.warm_up) > _WARM_UP_PACKETS.get(self.codec, 0):
                self.warm_up.popleft()
            return
        if packet.is_discard:  # after the end of the edit
            return
        self.has_begun = True
        self._close_up(packet)
        while self.warm_up:
            yield from self._in_order(self.warm_up.popleft())
        yield from self._in_order(packet)

    def finish(self) -> Iterator[AnyPacket]:
        """Yield nothing: every packet was copied at once."""
        yield from ()

    def _close_up(self, first: AudioPacket) -> None:
        """Move the packets for warming up directly before the first audible one.

        Players skip as many samples as the edit list hides, so that a gap there would cost audible ones.
        """
        frame_size, rate = self.source.codec_context.frame_size, self.source.codec_context.sample_rate
        following = first.pts or 0
        for packet in reversed(self.warm_up):
            if frame_size:
                packet.duration = round(Fraction(frame_size, rate) / packet.time_base)
            packet.pts = packet.dts = following - (packet.duration or 0)
            following = packet.pts

    def _in_order(self, packet: AudioPacket) -> Iterator[AudioPacket]:
        """Yield the packet unless it lies before the previous one: after a jump, recordings may overlap."""
        dts = packet.dts or 0
        if self.last_dts is not None and dts < self.last_dts:
            return
        if not self.can_start_early and dts < 0:
            return
        self.last_dts = dts
        yield packet


def complete_timestamps(packet: AnyPacket) -> None:
    """Set pts and dts to each other where one is missing; raises ValueError if both are."""
    if packet.dts is None:
        packet.dts = packet.pts
    if packet.pts is None:
        packet.pts = packet.dts
    if packet.pts is None:
        raise ValueError("an audio packet has no timestamp")
