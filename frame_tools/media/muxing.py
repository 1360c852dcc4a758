"""Output containers: options for exact and reproducible results, and safe handling of incomplete files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

import av
from av.container import OutputContainer
from av.stream import Disposition as StreamDisposition
from av.stream import Stream

from frame_tools.contracts.media_description import Disposition
from frame_tools.media.metadata import read_dispositions

_MAX_TIMESCALE: Final = 2**31 - 1
_MIN_VIDEO_TIMESCALE: Final = 10_000
_BASE_INDEX_BYTES: Final = 8 * 1024
_TRACK_INDEX_BYTES: Final = 1024
# Bytes per packet in movenc's sample tables in the worst case: size 4, time 8, sync sample 4 (video), and, with one
# packet per chunk, chunk offset 8 and sample-to-chunk 12.
_VIDEO_PACKET_BYTES: Final = 36
_AUDIO_PACKET_BYTES: Final = 32
_TAG_BYTES: Final = 64

S = TypeVar("S", bound=Stream)


class Output(Protocol):
    """A binary file object to write to; `seek` takes offsets from the file's start (whence 0)."""

    def write(self, data: bytes, /) -> int:
        """Write at the position and advance it."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move the position, also past the end."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class OutputFile:
    """Forwards writes to `target`, counts bytes, and can be marked `closed` without closing the target.

    PyAV does not write the index of a container whose file reports that it is closed.
    """

    def __init__(self, target: Output) -> None:
        self._target = target
        self._position = 0
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self._target.write(data)
        self._position += len(data)
        self.size = max(self.size, self._position)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position."""
        self._position = self._target.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position


@contextmanager
def output_container(file: OutputFile, format_name: str, options: dict[str, str]) -> Iterator[OutputContainer]:
    """Open a container for writing; finalize it at the end of the block unless an error occurs.

    After an error nothing more is written: an index could make an incomplete file look complete. Packets are collected
    in libavformat's buffer, because a call of `write` for each of them would take a twentieth of a join's CPU time.
    """
    always = {"fflags": "+bitexact", "flush_packets": "0"}
    container = av.open(file, "w", format=format_name, container_options=always | options)
    try:
        yield container
    except BaseException:  # also when interrupted: an incomplete file must not be committed
        file.closed = True
        raise
    finally:
        container.close()


def add_copied_stream(output: OutputContainer, template: S) -> S:
    """Add a stream to `output` for packets of `template`, with its language, title and dispositions.

    Raises ValueError if the output's format does not support the codec.
    """
    stream = output.add_stream_from_template(template, opaque=True)
    label_stream(
        stream,
        language=template.metadata.get("language"),
        title=template.metadata.get("title"),
        dispositions=read_dispositions(template),
    )
    return stream


def label_stream(
    stream: Stream, *, language: str | None, title: str | None, dispositions: Sequence[Disposition]
) -> None:
    """Set what players show of a track and how they choose it.

    MP4 has no field for titles; the muxer writes the name into the track's user data, and players that do not read
    that show the handler's name.
    """
    if language:
        stream.metadata["language"] = language
    if title:
        stream.metadata["title"] = title
        if stream.container.format.name != "matroska":
            stream.metadata["handler_name"] = title
    flags = StreamDisposition(0)
    for name in dispositions:
        flags |= StreamDisposition[name]
    stream.disposition = flags


def mp4_options(
    *,
    video: Fraction | None,
    sample_rates: Sequence[int],
    packets: tuple[int, int],
    tracks: int = 0,
    metadata: Mapping[str, str] = MappingProxyType({}),
    chapters: int = 0,
) -> dict[str, str]:
    """Return options of the MP4 muxer: the index in front of the data, and a time scale that makes edit lists exact.

    `video` is the video track's time base (None: audio only), `packets` are the numbers of video and other packets,
    `tracks` the number of tracks without samples of sound or video, `metadata` the texts for the container.
    The space reserved for the index is an upper bound; what is not used stays in the file as a free box.
    Source: libavformat/movenc.c (options moov_size and movie_timescale).
    """
    scale = 1
    if video is not None:
        scale = video.denominator
        while scale < _MIN_VIDEO_TIMESCALE:  # as the muxer does
            scale *= 2
    exact = math.lcm(scale, *sample_rates)
    tracks += len(sample_rates) + (video is not None)
    index = packets[0] * _VIDEO_PACKET_BYTES + (packets[1] + 2 * chapters) * _AUDIO_PACKET_BYTES
    index += sum(len(text.encode()) + _TAG_BYTES for text in metadata.values())
    return {
        "moov_size": str(_BASE_INDEX_BYTES + tracks * _TRACK_INDEX_BYTES + index),
        "movie_timescale": str(exact if exact <= _MAX_TIMESCALE else scale),
    }
