"""Audio tracks: out of the video into an audio file in a split, and from there next to the new video in a join.

Tracks are copied packet by packet where the output's container holds their codec, and converted elsewhere; `audio_plan`
decides. MP4 has exact timestamps; Matroska rounds them to milliseconds.

Sound that lies before the video's beginning (a trim cut it away, or the broadcast began earlier) is dropped. Only the
few packets that a decoder needs to warm up stay in MP4, cut off by the edit list to the sample.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from pydantic import ValidationError

from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.manifest import AudioTrack, SubtitleTrack
from frame_tools.media.audio_convert import TrackConverter
from frame_tools.media.audio_plan import MUXERS, AudioPlan, TrackPlan, add_converted_stream
from frame_tools.media.containers import UNREADABLE_REMEDY, ByteSource, open_input
from frame_tools.media.files import atomic_output
from frame_tools.media.metadata import read_dispositions, sanitize_text
from frame_tools.media.muxing import OutputFile, add_copied_stream, label_stream, output_container
from frame_tools.media.packet_timeline import UNCHANGED, AnyPacket, PacketTimeline
from frame_tools.media.subtitles import is_kept, open_track

AudioPacket: TypeAlias = "Packet[AudioStream]"  # a string: generic in PyAV's stubs only
AudioFile = Literal["audio.mp4", "audio.mka"]

AUDIO_NAME: Final = "The audio file"
# Packets before the first audible one that a decoder needs for exact output.
_WARM_UP_PACKETS: Final = {"aac": 1, "ac3": 1, "eac3": 1, "mp2": 1, "mp3": 2, "opus": 4, "vorbis": 1}


@dataclass(frozen=True, slots=True)
class ExtractedAudio:
    """Result of `extract_audio`: file name (None: no tracks), tracks in their order, notes on what was lost."""

    file: AudioFile | None = None
    tracks: tuple[AudioTrack, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()
    notes: tuple[str, ...] = ()


class _Track(Protocol):
    """Turns the packets of a source track into those of the audio file."""

    def convert(self, packet: AnyPacket) -> Iterator[AnyPacket]: ...

    def finish(self) -> Iterator[AnyPacket]: ...


@dataclass(slots=True)
class _Written:
    """What was written of a track: number of packets, and time of the first one in seconds."""

    packets: int = 0
    start: Fraction = Fraction(0)


def extract_audio(
    video: Path, folder: Path, plan: AudioPlan, timeline: PacketTimeline, *, origin: Fraction
) -> ExtractedAudio:
    """Write the planned audio tracks, and the subtitles, of `video` into `folder`/audio.mp4 or audio.mka.

    `origin` becomes their time 0. Raises InputError if a packet can't be read or written.
    """
    with open_input(video) as source:
        has_subtitles = any(is_kept(stream, plan.container, timeline) for stream in source.streams.subtitles)
    if not plan.tracks and not has_subtitles:
        return ExtractedAudio()
    name: AudioFile = "audio.mka" if plan.container == "mkv" else "audio.mp4"
    try:
        with (
            open_input(video) as source,
            atomic_output(folder / name) as part,
            part.open("wb") as file,
            output_container(OutputFile(file), "matroska" if plan.container == "mkv" else "mp4", {}) as output,
        ):
            extraction = _Extraction(source, output, plan, timeline, origin)
            extraction.run()
            extracted = extraction.result(name)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise InputError(f"The audio of {video.name} has an unsupported value ({reason})", UNREADABLE_REMEDY) from error
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"The audio of {video.name} can't be copied ({error})", UNREADABLE_REMEDY) from error
    tracks, subtitles = extracted.tracks, extracted.subtitles
    if not any(track.packets for track in tracks) and not any(track.packets for track in subtitles):
        (folder / name).unlink()
        return ExtractedAudio(notes=(*extracted.notes, "Left out the sound and subtitles: they end before the picture"))
    return extracted


class _Extraction:
    """One run of `extract_audio` over open containers."""

    def __init__(
        self,
        source: InputContainer,
        output: OutputContainer,
        plan: AudioPlan,
        timeline: PacketTimeline,
        origin: Fraction,
    ) -> None:
        self._source = source
        self._output = output
        self._plan = plan
        self._timeline = timeline
        self._origin = origin
        self._streams = {stream.index: stream for stream in source.streams.audio}
        self._subtitles = [stream for stream in source.streams.subtitles if is_kept(stream, plan.container, timeline)]
        self._targets: dict[int, Stream] = {}
        indices = [*(track.index for track in plan.tracks), *(stream.index for stream in self._subtitles)]
        self._written = {index: _Written() for index in indices}
        self._damaged: dict[int, int] = {}

    def run(self) -> None:
        """Read the source once and write all tracks."""
        tracks: dict[int, _Track] = {track.index: self._open(track) for track in self._plan.tracks}
        sources: list[Stream] = [self._streams[index] for index in tracks]
        for stream in self._subtitles:
            writer = open_track(self._output, stream, self._plan.container, self._origin)
            self._targets[stream.index] = writer.target
            tracks[stream.index] = writer
            sources.append(stream)
        for packet in self._timeline.demux(self._source, sources):
            index = packet.stream.index
            self._write(index, tracks[index].convert(packet))
        for index, track in tracks.items():
            self._write(index, track.finish())
            if isinstance(track, TrackConverter):
                self._damaged[index] = track.damaged

    def result(self, name: AudioFile) -> ExtractedAudio:
        """Return what was written to the file `name`."""
        tracks = [self._describe(track.index) for track in self._plan.tracks]
        subtitles = [
            SubtitleTrack(
                codec=self._targets[stream.index].codec_context.codec.canonical_name,
                packets=self._written[stream.index].packets,
                language=sanitize_text(stream.metadata.get("language")),
                title=_title(stream),
                dispositions=read_dispositions(stream),
            )
            for stream in self._subtitles
        ]
        notes = [
            f"{count} packets of audio track {number} were damaged and are silent"
            for number, track in enumerate(self._plan.tracks, start=1)
            if (count := self._damaged.get(track.index))
        ]
        return ExtractedAudio(name, tuple(tracks), tuple(subtitles), tuple(notes))

    def _open(self, track: TrackPlan) -> _Track:
        """Add the track's stream to the output and return what writes it."""
        source = self._streams[track.index]
        if track.conversion is None:
            self._targets[track.index] = add_copied_stream(self._output, source)
            return _CopiedTrack(source, track.codec, self._origin, can_start_early=self._plan.container != "mkv")
        target = add_converted_stream(self._output, track.conversion)
        self._targets[track.index] = target
        has_edits = self._timeline.streams[track.index].has_edits
        duration = None if source.duration is None or source.time_base is None else source.duration * source.time_base
        return TrackConverter(
            source,
            target,
            track.conversion,
            origin=self._origin,
            is_exact=has_edits,
            end=duration if has_edits else None,
        )

    def _write(self, index: int, packets: Iterator[AnyPacket]) -> None:
        written = self._written[index]
        for packet in packets:
            if packet.pts is None:
                continue
            start = packet.pts * Fraction(packet.time_base)
            if start < 0 and self._plan.container == "mkv":
                continue
            if not written.packets:
                written.start = start
            written.packets += 1
            packet.stream = self._targets[index]
            self._output.mux(packet)

    def _describe(self, index: int) -> AudioTrack:
        stream, written = self._streams[index], self._written[index]
        target = cast("AudioStream", self._targets[index])
        return AudioTrack(
            codec=target.codec_context.codec.canonical_name,
            sample_rate=target.codec_context.sample_rate,
            channels=target.codec_context.channels,
            start=written.start,
            packets=written.packets,
            language=sanitize_text(stream.metadata.get("language")),
            title=_title(stream),
            dispositions=read_dispositions(stream),
        )


@dataclass(slots=True)
class _CopiedTrack:
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
        _complete_timestamps(packet)
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


def _complete_timestamps(packet: AnyPacket) -> None:
    """Set pts and dts to each other where one is missing; raises ValueError if both are."""
    if packet.dts is None:
        packet.dts = packet.pts
    if packet.pts is None:
        packet.pts = packet.dts
    if packet.pts is None:
        raise ValueError("an audio packet has no timestamp")


def _title(stream: Stream) -> str | None:
    """Return a track's title; MP4 has it as a name, or as the name of the handler."""
    return sanitize_text(stream.metadata.get("title") or stream.metadata.get("name"))


def _packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[AnyPacket]:
    """Read the packets of some tracks, each with a decode time."""
    for packet in UNCHANGED.demux(container, streams):
        if packet.size:
            _complete_timestamps(packet)
            yield packet


def _seconds(packet: AnyPacket) -> Fraction:
    return Fraction(packet.pts or 0) * packet.time_base


def count_packets(file: Path | ByteSource) -> int:
    """Count the packets of all audio tracks of a file by reading it once."""
    with open_input(file, name=AUDIO_NAME) as container:
        return sum(1 for _ in _packets(container, container.streams.audio))


class AudioSource:
    """The tracks of an audio file that are copied into a joined video.

    `tracks` and `subtitles` are those of the manifest. For a file without a manifest both are empty, and all audio
    tracks are copied. Raises DamagedError if the file has another number of tracks.
    """

    def __init__(
        self, container: InputContainer, tracks: Sequence[AudioTrack], subtitles: Sequence[SubtitleTrack] = ()
    ) -> None:
        self._container = container
        self._sources = list(container.streams.audio) if tracks or not subtitles else []
        self._tracks = tracks
        self._subtitle_sources = list(container.streams.subtitles) if subtitles else []
        self._subtitles = subtitles
        self._targets: dict[int, Stream] = {}
        self._can_start_early = True
        source_count, named = len(self._sources) + len(self._subtitle_sources), len(tracks) + len(subtitles)
        if named and source_count != named:
            raise DamagedError(
                f"The audio file has {source_count} tracks; the manifest names {named}",
                "Use the audio file that the split wrote, or split the video again.",
            )

    @property
    def sample_rates(self) -> list[int]:
        """Sample rate of each track in Hz."""
        return [stream.codec_context.sample_rate for stream in self._sources]

    def add_to(self, output: OutputContainer) -> int:
        """Add a stream to `output` for each track; returns their number."""
        self._can_start_early = output.format.name != MUXERS["mkv"]
        for position, source in enumerate(self._sources):
            stream = add_copied_stream(output, source)
            if self._tracks:
                track = self._tracks[position]
                label_stream(stream, language=track.language, title=track.title, dispositions=track.dispositions)
            self._targets[source.index] = stream
        for text, label in zip(self._subtitle_sources, self._subtitles, strict=True):
            added = add_copied_stream(output, text)
            label_stream(added, language=label.language, title=label.title, dispositions=label.dispositions)
            self._targets[text.index] = added
        return len(self._sources)

    def packets(self) -> Iterator[tuple[float, AnyPacket]]:
        """Yield (decode time in seconds, packet) for all tracks, in the file's order.

        Each track is shifted so that it starts at the time in its manifest entry. Matroska can't start before zero and
        would shift all tracks; packets that do are left out there.
        """
        shifts: dict[int, int] = {}
        for packet in _packets(self._container, [*self._sources, *self._subtitle_sources]):
            index = packet.stream.index
            if index not in shifts:
                shifts[index] = self._shift(packet)
            shift = shifts[index]
            packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
            if packet.dts < 0 and not self._can_start_early:
                continue
            packet.stream = self._targets[index]
            yield float(packet.dts * packet.time_base), packet

    def _shift(self, first: AnyPacket) -> int:
        """Return by how many ticks a track must be shifted, given its first packet."""
        if not self._tracks or first.stream.index not in [source.index for source in self._sources]:
            return 0
        position = [source.index for source in self._sources].index(first.stream.index)
        return round((self._tracks[position].start - _seconds(first)) / first.time_base)
