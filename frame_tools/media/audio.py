"""The sound: every audio track copied packet by packet, when splitting out of the video, when joining beside it.

Tracks are kept in MP4 if it has a place for all their codecs (its time stamps are exact), else in Matroska, which
rounds them to milliseconds.
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
from frame_tools.media.containers import REMEDY, ByteSource, opened
from frame_tools.media.metadata import line
from frame_tools.media.muxing import OutputFile, copied_stream, mp4_options, output_container

AudioPacket: TypeAlias = "Packet[AudioStream]"  # a string: generic in PyAV's stubs only
AudioFile = Literal["audio.mp4", "audio.mka"]

AUDIO_NAME: Final = "The audio file"


@dataclass(frozen=True, slots=True)
class ExtractedAudio:
    """What `extract` wrote: file name (None: no sound), tracks in their order, what could not be kept."""

    file: AudioFile | None
    tracks: tuple[AudioTrack, ...]
    notes: tuple[str, ...]


def extract(video: Path, folder: Path) -> ExtractedAudio:
    """Copy all audio tracks of `video` into `folder`/audio.mp4 or audio.mka.

    Raises InputError if an audio packet can't be read or copied.
    """
    try:
        with opened(video) as source:
            tracks = _scan(source)
            left_out = len(source.streams.audio) - len(tracks)
        notes = (f"Left out: {left_out} empty or unknown audio tracks",) if left_out else ()
        if not tracks:
            return ExtractedAudio(None, (), notes)
        with opened(video) as source:
            file = _copy(source, tracks, folder)
    except (av.FFmpegError, ValueError) as error:
        raise InputError(f"The sound of {video.name} can't be copied ({error})", REMEDY) from error
    return ExtractedAudio(file, tuple(tracks.values()), notes)


def _scan(source: InputContainer) -> dict[int, AudioTrack]:
    """Describe each audio stream that has packets, by stream index."""
    first: dict[int, Fraction] = {}
    count: dict[int, int] = {}
    for packet in _demux(source, [stream.index for stream in source.streams.audio]):
        index = packet.stream.index
        first.setdefault(index, _seconds(packet))
        count[index] = count.get(index, 0) + 1
    return {
        stream.index: AudioTrack(
            codec=stream.codec_context.codec.canonical_name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            start=first[stream.index],
            packets=count[stream.index],
            language=line(stream.metadata.get("language")),
            title=line(stream.metadata.get("title")),
        )
        for stream in source.streams.audio
        # An unknown codec has no context.
        if stream.index in count and stream.codec_context is not None
    }


def _copy(source: InputContainer, tracks: dict[int, AudioTrack], folder: Path) -> AudioFile:
    """Copy the streams whose indices are in `tracks`, and return the name of the file."""
    kept = [stream for stream in source.streams.audio if stream.index in tracks]
    fits_mp4 = _fits(kept, "mp4")
    if not fits_mp4 and not _fits(kept, "matroska"):
        raise ValueError("neither MP4 nor Matroska has a place for its codec")
    name: AudioFile = "audio.mp4" if fits_mp4 else "audio.mka"
    muxer = "mp4" if fits_mp4 else "matroska"
    options = mp4_options(
        video=None,
        sample_rates=[track.sample_rate for track in tracks.values()],
        packets=(0, sum(track.packets for track in tracks.values())),
    )
    part = folder / f".{name}.part"
    try:
        with (
            part.open("wb") as file,
            output_container(OutputFile(file), muxer, options if fits_mp4 else {}) as output,
        ):
            targets = {stream.index: copied_stream(output, stream) for stream in kept}
            for packet in _demux(source, list(targets)):
                packet.stream = targets[packet.stream.index]
                output.mux(packet)
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)
    return name


def _fits(streams: Sequence[AudioStream], muxer: str) -> bool:
    """Tell whether a format has a place for the codecs of all streams."""
    trial = av.open(io.BytesIO(), "w", format=muxer)
    try:
        for stream in streams:
            trial.add_stream_from_template(stream, opaque=True)
    except ValueError:
        return False
    return True


def _demux(source: InputContainer, indices: Sequence[int]) -> Iterator[AudioPacket]:
    """Read the packets of some streams, each with a decode time; all other streams are skipped unread."""
    for stream in source.streams:
        if stream.index not in indices:
            stream.discard = Discard.all
    if not indices:
        return
    for packet in source.demux(*indices):
        if packet.size == 0:
            continue
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.pts is None:
            packet.pts = packet.dts
        if packet.pts is None:
            raise ValueError("an audio packet has no time stamp")
        yield cast("AudioPacket", packet)


def _seconds(packet: AudioPacket) -> Fraction:
    return Fraction(packet.pts or 0) * packet.time_base


def count_packets(file: Path | ByteSource) -> int:
    """Count the packets of all audio tracks of a file by reading it once."""
    with opened(file, name=AUDIO_NAME) as container:
        return sum(1 for _ in _demux(container, [stream.index for stream in container.streams.audio]))


class AudioSource:
    """The tracks of an audio file, on their way into a joined video.

    `tracks` is what the manifest says of them; empty for a file that came without a manifest.
    """

    def __init__(self, container: InputContainer, tracks: Sequence[AudioTrack]) -> None:
        self._container = container
        self._sources = list(container.streams.audio)
        self._tracks = tracks
        self._targets: dict[int, AudioStream] = {}
        if tracks and len(tracks) != len(self._sources):
            raise DamagedError(
                f"The audio file has {len(self._sources)} tracks; the manifest names {len(tracks)}",
                "Give the file that splitting made, or split the video again.",
            )

    @property
    def sample_rates(self) -> list[int]:
        """Samples a second of each track."""
        return [stream.codec_context.sample_rate for stream in self._sources]

    def add_to(self, output: OutputContainer) -> int:
        """Add a stream for each track; returns how many."""
        self._targets = {source.index: copied_stream(output, source) for source in self._sources}
        return len(self._targets)

    def packets(self) -> Iterator[tuple[float, AudioPacket]]:
        """Yield (decode time in seconds, packet) for all tracks, in the file's order.

        Each track is moved so that it starts when its manifest entry says: Matroska can't start before zero and
        shifts what does.
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
        """Return by how many ticks a track must be moved, given its first packet."""
        if not self._tracks:
            return 0
        place = [source.index for source in self._sources].index(first.stream.index)
        return round((self._tracks[place].start - _seconds(first)) / first.time_base)
