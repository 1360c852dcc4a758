"""Join segments into one video, copying packets: no frame is decoded, nothing is encoded.

Timestamps come from the manifest. The audio comes from the audio file that the split wrote, packet by packet at its
original times. The index of an MP4 is written in front of the data, into space reserved from packet counts, so that
the result can be streamed and written through `sink.BlockSink`. Nothing depends on the clock: equal inputs give equal
bytes.

MP4 stores every timestamp exactly; Matroska rounds them to milliseconds.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.container import InputContainer
from av.packet import Packet

from frame_tools.contracts.errors import DamagedError, InputError, InternalError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.audio_plan import MUXERS
from frame_tools.media.audio_source import AUDIO_NAME, AudioSource, count_packets
from frame_tools.media.containers import ByteSource, open_input
from frame_tools.media.files import atomic_output
from frame_tools.media.muxing import Output, OutputFile, mp4_options, output_container
from frame_tools.media.video_track import Segment, VideoTrack

_CHAPTER_TICK: Final = Fraction(1, 1000)

__all__ = ["JoinReport", "Segment", "join"]


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What was written: number of frames, file size in bytes, duration in seconds, and number of audio tracks."""

    frames: int
    bytes: int
    seconds: Fraction
    tracks: int


def join(
    manifest: Manifest,
    segments: Iterable[Segment],
    *,
    audio: Path | ByteSource | None,
    out: Path | Output,
    scale: int = 1,
) -> JoinReport:
    """Join `segments`, in order, and the `audio` file that the split wrote, into `out`.

    Segments are consumed one at a time, so they may be fetched lazily; memory holds one of them. Their frames have the
    manifest's size times `scale`. A path is written atomically; a file object is written to the end and left open.
    For frames without a manifest, `audio` may be any audio or video file: all its audio tracks are copied.
    Raises DamagedError if a segment or the audio does not match the manifest, MissingError if there is no segment or
    if the manifest names an audio file and `audio` is None.
    """
    if not isinstance(out, Path):
        return _join_into(manifest, segments, audio=audio, out=OutputFile(out), scale=scale)
    with atomic_output(out) as part, part.open("wb") as file:
        return _join_into(manifest, segments, audio=audio, out=OutputFile(file), scale=scale)


def _join_into(
    manifest: Manifest, segments: Iterable[Segment], *, audio: Path | ByteSource | None, out: OutputFile, scale: int
) -> JoinReport:
    if audio is None and manifest.audio_file is not None:
        raise MissingError(
            f"The audio file {manifest.audio_file} of the manifest is missing", "Use the file that the split wrote."
        )
    remaining = iter(segments)
    first = next(remaining, None)
    if first is None:
        raise MissingError("There are no segments to join", "Pass one segment for every batch of the plan.")
    all_segments = itertools.chain([first], remaining)
    try:
        if audio is None:
            tracks = _mux(manifest, all_segments, first=first, source=None, audio_packets=0, out=out, scale=scale)
        else:
            packets = manifest.audio_packets or sum(count_packets(audio))
            with ExitStack() as stack:
                source = AudioSource(_open_audio(stack, audio), manifest.audio, manifest.subtitles)
                tracks = _mux(
                    manifest, all_segments, first=first, source=source, audio_packets=packets, out=out, scale=scale
                )
    except av.FFmpegError as error:
        raise InternalError(f"The output can't be written ({error})", "Report this error with the manifest.") from error
    return JoinReport(manifest.frame_count, out.size, manifest.duration, tracks)


def _mux(
    manifest: Manifest,
    segments: Iterable[Segment],
    *,
    first: Segment,
    source: AudioSource | None,
    audio_packets: int,
    out: OutputFile,
    scale: int,
) -> int:
    """Write the container and return the number of audio tracks."""
    with output_container(out, *_format(manifest, source, audio_packets)) as output:
        video = VideoTrack(manifest, output, first, scale=scale)
        tracks = source.add_to(output) if source else 0
        output.metadata.update(_metadata(manifest))
        output.set_chapters(_chapters(manifest))
        timed: list[Iterator[tuple[float, Packet[Any]]]] = [video.packets(segments)]
        if source:
            timed.append(source.packets())
        for _, packet in heapq.merge(*timed, key=lambda pair: pair[0]):
            output.mux(packet)
    return tracks


def _format(manifest: Manifest, source: AudioSource | None, audio_packets: int) -> tuple[str, dict[str, str]]:
    """Return the name of the muxer and its options."""
    if manifest.container == "mkv":
        return MUXERS["mkv"], {}
    # The muxer writes the boxes for 360° video only then.
    strict = {"strict": "unofficial"} if manifest.projection or manifest.stereo else {}
    return MUXERS[manifest.container], strict | mp4_options(
        video=manifest.time_base,
        sample_rates=source.sample_rates if source else [],
        # Between two subtitles, the muxer writes an empty one.
        packets=(manifest.frame_count, audio_packets + sum(track.packets for track in manifest.subtitles)),
        tracks=len(manifest.subtitles) + bool(manifest.chapters),
        metadata=_metadata(manifest),
        chapters=len(manifest.chapters),
    )


def _metadata(manifest: Manifest) -> dict[str, str]:
    """Return the container metadata that the manifest kept of the original video."""
    fields: dict[str, str | None] = {
        **{str(name): text for name, text in manifest.tags.items()},
        "title": manifest.title,
        "creation_time": manifest.creation_time,
        "location": manifest.place,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _chapters(manifest: Manifest) -> list[Any]:
    return [
        {
            "id": number,
            "start": round(chapter.start / _CHAPTER_TICK),
            "end": round(chapter.end / _CHAPTER_TICK),
            "time_base": _CHAPTER_TICK,
            "metadata": {"title": chapter.title} if chapter.title else {},
        }
        for number, chapter in enumerate(manifest.chapters)
    ]


def _open_audio(stack: ExitStack, audio: Path | ByteSource) -> InputContainer:
    """Open the audio file that the split wrote; raises DamagedError if it can't be read any more."""
    try:
        return stack.enter_context(open_input(audio, name=AUDIO_NAME))
    except InputError as error:
        raise DamagedError("The audio file can't be read any more", "Split the video again.") from error
