"""Subtitles: text becomes timed text in MP4 and stays as it is in Matroska, which also holds pictures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeAlias, cast

from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from frame_tools.contracts.choices import VideoContainer
from frame_tools.media.muxing import add_copied_stream
from frame_tools.media.packet_timeline import AnyPacket, PacketTimeline

SubtitlePacket: TypeAlias = "Packet[SubtitleStream]"  # a string: generic in PyAV's stubs only

_TEXT: Final = frozenset({"ass", "mov_text", "ssa", "subrip", "text", "webvtt"})
_COPIED_TO_MKV: Final = frozenset(
    {"ass", "dvb_subtitle", "dvd_subtitle", "hdmv_pgs_subtitle", "ssa", "subrip", "webvtt"}
)
_MILLISECOND: Final = Fraction(1, 1000)
# Texts without an end are shown this long.
_DEFAULT_SECONDS: Final = Fraction(5)


def is_kept(stream: Stream, container: VideoContainer, timeline: PacketTimeline) -> bool:
    """Return whether the subtitles arrive in the output; a track without subtitles does not."""
    scanned = timeline.streams.get(stream.index)
    if scanned is None or scanned.packets == 0:
        return False
    if not isinstance(stream, SubtitleStream) or stream.codec_context is None:
        return False
    codec = stream.codec_context.codec.canonical_name
    return codec in _TEXT or (container == "mkv" and codec in _COPIED_TO_MKV)


def open_track(
    output: OutputContainer, source: SubtitleStream, container: VideoContainer, origin: Fraction
) -> "SubtitleTrackWriter":
    """Add a stream for the subtitles `source` to `output`; `origin` becomes their time 0."""
    if container == "mkv" and source.codec_context.codec.canonical_name in _COPIED_TO_MKV:
        return SubtitleTrackWriter(source, add_copied_stream(output, source), origin, is_copy=True)
    target = output.add_stream("srt" if container == "mkv" else "mov_text")
    target.codec_context.subtitle_header = source.codec_context.subtitle_header or _ASS_HEADER
    return SubtitleTrackWriter(source, target, origin, is_copy=False)


@dataclass(slots=True)
class SubtitleTrackWriter:
    """Turns the packets of a subtitle track into those of the output, none before time 0."""

    source: SubtitleStream
    target: SubtitleStream
    origin: Fraction
    is_copy: bool
    last: int = field(default=-1, init=False)

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]:
        """Yield the packet, moved and, if necessary, converted; nothing if it is over before time 0."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if packet.size == 0 or stamp is None:
            return
        start = stamp * Fraction(packet.time_base) - self.origin
        duration = Fraction(packet.duration or 0) * packet.time_base or _DEFAULT_SECONDS
        duration += min(start, Fraction(0))
        ticks = max(round(start / _MILLISECOND), 0)
        if duration <= 0 or ticks < self.last:
            return
        if not self.is_copy:
            decoded = self.source.codec_context.decode2(cast("SubtitlePacket", packet))
            if decoded is None or not len(decoded):
                return
            packet = self.target.codec_context.encode_subtitle(decoded)
            packet.stream = self.target
        self.last = ticks
        packet.time_base = _MILLISECOND
        packet.pts = packet.dts = ticks
        packet.duration = round(duration / _MILLISECOND)
        yield packet

    def finish(self) -> Iterator[AnyPacket]:
        """Yield nothing: every packet was written at once."""
        yield from ()


_ASS_HEADER: Final = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
