"""The audio file of a split as a source of packets for the joined video."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.container import InputContainer, OutputContainer
from av.stream import Stream

from frame_tools.contracts.errors import DamagedError
from frame_tools.contracts.media_description import AudioTrack, SubtitleTrack
from frame_tools.media.audio_copy import complete_timestamps
from frame_tools.media.audio_plan import MUXERS
from frame_tools.media.containers import ByteSource, open_input
from frame_tools.media.muxing import add_copied_stream, label_stream
from frame_tools.media.packet_timeline import UNCHANGED, AnyPacket

AUDIO_NAME: Final = "The audio file"
_REMEDY: Final = "Use the complete audio file that the split wrote, or split the video again."


def _packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[AnyPacket]:
    """Read the packets of some tracks, each with a decode time."""
    for packet in UNCHANGED.demux(container, streams):
        if packet.size:
            complete_timestamps(packet)
            yield packet


def _seconds(packet: AnyPacket) -> Fraction:
    return Fraction(packet.pts or 0) * packet.time_base


def _incomplete(track: str, count: int, expected: int) -> DamagedError:
    return DamagedError(f"{track} of the audio file has {count} packets; the manifest says {expected}", _REMEDY)


def count_packets(file: Path | ByteSource) -> list[int]:
    """Return the number of packets of each audio track of a file, in order, by reading it once."""
    with open_input(file, name=AUDIO_NAME) as container:
        tracks = container.streams.audio
        counts = Counter(packet.stream.index for packet in _packets(container, tracks))
        return [counts[track.index] for track in tracks]


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
        if any(source.codec_context is None for source in (*self._sources, *self._subtitle_sources)):
            raise DamagedError("A track of the audio file has an unknown codec", _REMEDY)
        if named and source_count != named:
            raise DamagedError(f"The audio file has {source_count} tracks; the manifest names {named}", _REMEDY)

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
        would shift all tracks; packets that do are left out there. Raises DamagedError after the last packet if a track
        is incomplete.
        """
        shifts: dict[int, int] = {}
        counts: Counter[int] = Counter()
        for packet in _packets(self._container, [*self._sources, *self._subtitle_sources]):
            index = packet.stream.index
            counts[index] += 1
            if index not in shifts:
                shifts[index] = self._shift(packet)
            shift = shifts[index]
            packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
            if packet.dts < 0 and not self._can_start_early:
                continue
            packet.stream = self._targets[index]
            yield float(packet.dts * packet.time_base), packet
        self._check_complete(counts)

    def _check_complete(self, counts: Mapping[int, int]) -> None:
        """Raise DamagedError unless each track had as many packets as the manifest says.

        The MP4 muxer adds an empty packet after each subtitle, so that there may be more of those.
        """
        for number, (source, track) in enumerate(zip(self._sources, self._tracks, strict=False), start=1):
            if counts[source.index] != track.packets:
                raise _incomplete(f"Audio track {number}", counts[source.index], track.packets)
        for number, (text, label) in enumerate(zip(self._subtitle_sources, self._subtitles, strict=True), start=1):
            if counts[text.index] < label.packets:
                raise _incomplete(f"Subtitle track {number}", counts[text.index], label.packets)

    def _shift(self, first: AnyPacket) -> int:
        """Return by how many ticks a track must be shifted, given its first packet."""
        if not self._tracks or first.stream.index not in [source.index for source in self._sources]:
            return 0
        position = [source.index for source in self._sources].index(first.stream.index)
        return round((self._tracks[position].start - _seconds(first)) / first.time_base)
