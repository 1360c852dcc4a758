"""Join segments into one video, copying packets: no frame is decoded, nothing is encoded.

Time stamps come from the manifest, the sound from the audio file that splitting kept, packet by packet at its
original times. The index of an MP4 is put in front of the data, into space reserved from packet counts, so the result
streams and can be written through `sink.BlockSink`. Nothing depends on the clock: equal inputs give equal bytes.

MP4 holds every time stamp exactly; Matroska rounds them to milliseconds.
"""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet

from frame_tools.contracts.errors import DamagedError, InputError, InternalError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media.audio import AUDIO_NAME, AudioSource, count_packets
from frame_tools.media.containers import ByteSource, opened
from frame_tools.media.muxing import Output, OutputFile, mp4_options, output_container
from frame_tools.media.video_track import Segment, VideoTrack

__all__ = ["JoinReport", "Segment", "join"]


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What was written: frames, bytes of the file, seconds of picture, and audio tracks."""

    frames: int
    bytes: int
    seconds: Fraction
    tracks: int


def join(
    manifest: Manifest, segments: Iterable[Segment], *, audio: Path | ByteSource | None, out: Path | Output
) -> JoinReport:
    """Join `segments`, in order, and the `audio` file that splitting kept, into `out`.

    Segments are taken one at a time, so they may be fetched lazily; memory holds one of them. A path is written
    under a temporary name and renamed; a file object is written to the end and left open.
    For frames that came without a manifest, `audio` may be any audio or video file: all its audio tracks are taken.
    Raises DamagedError if a segment or the audio is not what it should be, MissingError if there is no segment or
    the audio that the manifest names was not given.
    """
    if not isinstance(out, Path):
        return _join_into(manifest, segments, audio=audio, out=OutputFile(out))
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            report = _join_into(manifest, segments, audio=audio, out=OutputFile(file))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return report


def _join_into(
    manifest: Manifest, segments: Iterable[Segment], *, audio: Path | ByteSource | None, out: OutputFile
) -> JoinReport:
    if audio is None and manifest.audio_file is not None:
        raise MissingError(f"The sound, {manifest.audio_file}, was not given", "Give the file that splitting made.")
    remaining = iter(segments)
    first = next(remaining, None)
    if first is None:
        raise MissingError("There are no segments to join", "Give one for every batch of the plan.")
    everything = itertools.chain([first], remaining)
    try:
        if audio is None:
            tracks = _mux(manifest, everything, first=first, source=None, sound_packets=0, out=out)
        else:
            packets = sum(track.packets for track in manifest.audio) or count_packets(audio)
            with ExitStack() as stack:
                source = AudioSource(_open_sound(stack, audio), manifest.audio)
                tracks = _mux(manifest, everything, first=first, source=source, sound_packets=packets, out=out)
    except av.FFmpegError as error:
        raise InternalError(f"The result can't be written ({error})", "Report this, with the manifest.") from error
    return JoinReport(manifest.frame_count, out.size, manifest.duration, tracks)


def _mux(
    manifest: Manifest,
    segments: Iterable[Segment],
    *,
    first: Segment,
    source: AudioSource | None,
    sound_packets: int,
    out: OutputFile,
) -> int:
    """Write the container and return the number of audio tracks."""
    with output_container(out, *_format(manifest, source, sound_packets)) as output:
        video = VideoTrack(manifest, output, first)
        tracks = source.add_to(output) if source else 0
        output.metadata.update(_metadata(manifest))
        timed: list[Iterator[tuple[float, Packet[Any]]]] = [video.packets(segments)]
        if source:
            timed.append(source.packets())
        for _, packet in heapq.merge(*timed, key=lambda pair: pair[0]):
            output.mux(packet)
    return tracks


def _format(manifest: Manifest, source: AudioSource | None, sound_packets: int) -> tuple[str, dict[str, str]]:
    """Name of the muxer, and its options."""
    if manifest.container == "mkv":
        return "matroska", {}
    return "mp4", mp4_options(
        video=manifest.time_base,
        sample_rates=source.sample_rates if source else [],
        packets=(manifest.frame_count, sound_packets),
    )


def _metadata(manifest: Manifest) -> dict[str, str]:
    """Return what the manifest kept of the original's own words."""
    words = {
        "title": manifest.title,
        "creation_time": manifest.creation_time,
        "location": manifest.place,
    }
    return {key: value for key, value in words.items() if value is not None}


def _open_sound(stack: ExitStack, audio: Path | ByteSource) -> InputContainer:
    """Open the sound that splitting kept; raises DamagedError if it is none any more."""
    try:
        return stack.enter_context(opened(audio, name=AUDIO_NAME))
    except InputError as error:
        raise DamagedError("The sound that splitting kept can't be read any more", "Split the video again") from error
