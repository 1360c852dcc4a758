"""Audio tracks, copied packet by packet: out of the video in a split, next to the new video in a join.

Tracks are kept in MP4 if it supports all their codecs (its timestamps are exact), else in Matroska, which rounds
timestamps to milliseconds.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard

from frame_tools.contracts.errors import DamagedError, InputError
from frame_tools.contracts.manifest import AudioTrack
from frame_tools.media.containers import UNREADABLE_REMEDY, ByteSource, open_input
from frame_tools.media.files import atomic_output
from frame_tools.media.metadata import sanitize_text
from frame_tools.media.muxing import OutputFile, add_copied_stream, mp4_options, output_container

AudioPacket: TypeAlias = "Packet[AudioStream]"  # a string: generic in PyAV's stubs only
AudioFile = Literal["audio.mp4", "audio.mka"]

AUDIO_NAME: Final = "The audio file"


@dataclass(frozen=True, slots=True)
class ExtractedAudio:
    """Result of `extract_audio`: file name (None: no audio), tracks in their order, notes on what was left out."""

    file: AudioFile | None
    tracks: tuple[AudioTrack, ...]
    notes: tuple[str, ...]


def extract_audio(video: Path, folder: Path) -> ExtractedAudio:
    """Copy all audio tracks of `video` into `folder`/audio.mp4 or audio.mka.

    Raises InputError if an audio packet can't be read or copied.
    """
    try:
        with open_input(video) as container:
            tracks = _describe_tracks(container)
            skipped = len(container.streams.audio) - len(tracks)
        notes = (f"Skipped {skipped} audio tracks that are empty or have an unknown codec",) if skipped else ()
        if not tracks:
            return ExtractedAudio(None, (), notes)
        with open_input(video) as container:
            file = _copy_tracks(container, tracks, folder)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"The audio of {video.name} can't be copied ({error})", UNREADABLE_REMEDY) from error
    return ExtractedAudio(file, tuple(tracks.values()), notes)


def _describe_tracks(container: InputContainer) -> dict[int, AudioTrack]:
    """Describe each audio stream that has packets, by stream index."""
    starts: dict[int, Fraction] = {}
    counts: dict[int, int] = {}
    for packet in _demux(container, [stream.index for stream in container.streams.audio]):
        index = packet.stream.index
        starts.setdefault(index, _seconds(packet))
        counts[index] = counts.get(index, 0) + 1
    return {
        stream.index: AudioTrack(
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            start=starts[stream.index],
            packets=counts[stream.index],
            language=sanitize_text(stream.metadata.get("language")),
            title=sanitize_text(stream.metadata.get("title")),
        )
        for stream in container.streams.audio
        # An unknown codec has no context.
        if stream.index in counts and stream.codec_context is not None
    }


def _copy_tracks(container: InputContainer, tracks: dict[int, AudioTrack], folder: Path) -> AudioFile:
    """Copy the streams whose indices are in `tracks`; returns the name of the file."""
    streams = [stream for stream in container.streams.audio if stream.index in tracks]
    fits_mp4 = _supports_codecs("mp4", streams)
    if not fits_mp4 and not _supports_codecs("matroska", streams):
        raise ValueError("neither MP4 nor Matroska supports its codec")
    name: AudioFile = "audio.mp4" if fits_mp4 else "audio.mka"
    muxer = "mp4" if fits_mp4 else "matroska"
    options = mp4_options(
        video=None,
        sample_rates=[track.sample_rate for track in tracks.values()],
        packets=(0, sum(track.packets for track in tracks.values())),
    )
    with (
        atomic_output(folder / name) as part,
        part.open("wb") as file,
        output_container(OutputFile(file), muxer, options if fits_mp4 else {}) as output,
    ):
        targets = {stream.index: add_copied_stream(output, stream) for stream in streams}
        for packet in _demux(container, list(targets)):
            packet.stream = targets[packet.stream.index]
            output.mux(packet)
    return name


def _supports_codecs(muxer: str, streams: Sequence[AudioStream]) -> bool:
    """Return whether a container format supports the codecs of all streams."""
    trial = av.open(io.BytesIO(), "w", format=muxer)
    try:
        for stream in streams:
            trial.add_stream_from_template(stream, opaque=True)
    except ValueError:
        return False
    return True


def _demux(container: InputContainer, indices: Sequence[int]) -> Iterator[AudioPacket]:
    """Read the packets of some streams, each with a decode time; other streams are discarded by the demuxer."""
    for stream in container.streams:
        if stream.index not in indices:
            stream.discard = Discard.all
    if not indices:
        return
    for packet in container.demux(*indices):
        if packet.size == 0:
            continue
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
        if packet.pts is None:
            raise ValueError("an audio packet has no timestamp")
        yield cast("AudioPacket", packet)


def _seconds(packet: AudioPacket) -> Fraction:
    return Fraction(packet.pts or 0) * packet.time_base


def count_packets(file: Path | ByteSource) -> int:
    """Count the packets of all audio tracks of a file by reading it once."""
    with open_input(file, name=AUDIO_NAME) as container:
        return sum(1 for _ in _demux(container, [stream.index for stream in container.streams.audio]))


class AudioSource:
    """The tracks of an audio file that are copied into a joined video.

    `tracks` are those of the manifest; empty for a file without a manifest.
    Raises DamagedError if the file has another number of tracks.
    """

    def __init__(self, container: InputContainer, tracks: Sequence[AudioTrack]) -> None:
        self._container = container
        self._sources = list(container.streams.audio)
        self._tracks = tracks
        self._targets: dict[int, AudioStream] = {}
        if tracks and len(tracks) != len(self._sources):
            raise DamagedError(
                f"The audio file has {len(self._sources)} tracks; the manifest names {len(tracks)}",
                "Use the audio file that the split wrote, or split the video again.",
            )

    @property
    def sample_rates(self) -> list[int]:
        """Sample rate of each track in Hz."""
        return [stream.codec_context.sample_rate for stream in self._sources]

    def add_to(self, output: OutputContainer) -> int:
        """Add a stream to `output` for each track; returns their number."""
        self._targets = {source.index: add_copied_stream(output, source) for source in self._sources}
        return len(self._targets)

    def packets(self) -> Iterator[tuple[float, AudioPacket]]:
        """Yield (decode time in seconds, packet) for all tracks, in the file's order.

        Each track is shifted so that it starts at the time in its manifest entry: Matroska can't start before zero and
        shifts tracks that do.
        """
        shifts: dict[int, int] = {}
        for packet in _demux(self._container, [source.index for source in self._sources]):
            index = packet.stream.index
            if index not in shifts:
                shifts[index] = self._shift(packet)
            shift = shifts[index]
            packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
            packet.stream = self._targets[index]
            yield float(packet.dts * packet.time_base), packet

    def _shift(self, first: AudioPacket) -> int:
        """Return by how many ticks a track must be shifted, given its first packet."""
        if not self._tracks:
            return 0
        position = [source.index for source in self._sources].index(first.stream.index)
        return round((self._tracks[position].start - _seconds(first)) / first.time_base)
