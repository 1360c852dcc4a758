"""Extraction of audio tracks and subtitles out of the video into the audio file of a split.

Tracks are copied packet by packet where the output's container holds their codec, and converted elsewhere; `audio_plan`
decides. MP4 has exact timestamps; Matroska rounds them to milliseconds.

Sound that lies before the video's beginning (a trim cut it away, or the broadcast began earlier) is dropped. Only the
few packets that a decoder needs to warm up stay in MP4, cut off by the edit list to the sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from pydantic import ValidationError

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_description import AudioTrack, SubtitleTrack
from frame_tools.media.audio_convert import TrackConverter
from frame_tools.media.audio_copy import TrackCopier
from frame_tools.media.audio_plan import AudioPlan, TrackPlan, add_converted_stream
from frame_tools.media.audio_source import count_packets
from frame_tools.media.containers import UNREADABLE_REMEDY, open_input
from frame_tools.media.files import atomic_output
from frame_tools.media.metadata import read_dispositions, sanitize_text
from frame_tools.media.muxing import OutputFile, add_copied_stream, output_container
from frame_tools.media.packet_timeline import AnyPacket, PacketTimeline
from frame_tools.media.subtitles import is_kept, open_track

AudioFile = Literal["audio.mp4", "audio.mka"]


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
    return _as_read(extracted, folder / name)


def _as_read(extracted: ExtractedAudio, file: Path) -> ExtractedAudio:
    """Return the result with the numbers of packets that a reader of the file gets.

    The last one may be fewer: MP4 gives a track's length in milliseconds, and what begins after it is not read.
    """
    counts = count_packets(file)
    tracks = (track.model_copy(update={"packets": n}) for track, n in zip(extracted.tracks, counts, strict=True))
    return replace(extracted, tracks=tuple(tracks))


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
            return TrackCopier(source, track.codec, self._origin, can_start_early=self._plan.container != "mkv")
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


def _title(stream: Stream) -> str | None:
    """Return a track's title; MP4 has it as a name, or as the name of the handler."""
    return sanitize_text(stream.metadata.get("title") or stream.metadata.get("name"))
