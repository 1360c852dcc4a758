"""Reading of a whole video: its frames for the caller, its sound into a folder, and the manifest's fields.

Frames are those that a player shows (edit lists are respected), in presentation order.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from pydantic import ValidationError

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_values import MAX_NOTES
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.version import IMPASTO_VERSION
from frame_tools.media import probe
from frame_tools.media.audio import extract_audio
from frame_tools.media.audio_plan import AudioPlan, plan_audio
from frame_tools.media.containers import UNREADABLE_REMEDY, check_regular, open_input
from frame_tools.media.edit_lists import has_initial_gap
from frame_tools.media.left_out import describe_left_out
from frame_tools.media.metadata import read_chapters, read_tags, sanitize_text
from frame_tools.media.packet_timeline import BROADCAST_FORMATS, PacketTimeline, StreamScan, scan
from frame_tools.media.projection import describe_lost_projection
from frame_tools.media.read_frame import ReadImage, converted
from frame_tools.media.scene_detection import SceneCutDetector
from frame_tools.media.timestamps import MAX_LEAD, choose_origin
from frame_tools.media.track_headers import read_track_header
from frame_tools.media.video_limits import VideoLimits
from frame_tools.media.video_reader import VideoReader

Progress = Callable[[int], None]
"""Called with the number of frames decoded so far."""


@dataclass(frozen=True, kw_only=True)
class WholeVideo:
    """A video that was read to its end: the manifest's fields, and what was found out on the way."""

    fields: dict[str, Any]
    timeline: PacketTimeline
    stream: StreamScan
    """What the packets of the video show."""
    origin: int
    """Which time stamp of the file is time 0, in ticks of the manifest's time base."""
    is_intact: bool
    """Whether no frame was lost or replaced."""
    has_sound_timestamps: bool
    """Whether every frame had a timestamp of its own, later than the one before."""
    format_name: str
    """The container's, as FFmpeg calls it."""


def read_whole_video(
    video: Path,
    folder: Path,
    options: SplitOptions,
    limits: VideoLimits,
    use: Callable[[Iterator[ReadImage]], None],
    progress: Progress | None = None,
) -> WholeVideo:
    """Pass all frames of a video to `use`, which reads them to the end, and write its sound into `folder`.

    Raises InputError if the video exceeds the `limits` or can't be read from beginning to end.
    """
    timeline, plan = survey(video, options)
    detector = SceneCutDetector()
    with open_input(video) as container:
        stream = probe.select_video_stream(container, video.name, video)
        limits.check_size(video.name, stream.codec_context.width, stream.codec_context.height)
        header = read_track_header(video, container, stream)
        reader = VideoReader(
            container, stream, name=video.name, timeline=timeline, header=header, options=options, limits=limits
        )
        use(_watched(converted(reader.frames()), detector, progress))
        origin = _origin(video, container, reader, timeline, plan)
        fields = {**reader.manifest_fields(origin), **_source_metadata(container), "cuts": detector.cuts()}
        fields["chapters"] = read_chapters(container, origin)
        left_out = describe_left_out(container, reader.stream_index, plan.container, timeline)
        fields["place"] = _recording_location(container) if options.keep_location else None
        facts: dict[str, Any] = {
            "stream": timeline.streams[reader.stream_index],
            "origin": round(origin / reader.time_base),
            "is_intact": reader.is_intact,
            "has_sound_timestamps": reader.has_sound_timestamps,
            "format_name": container.format.name,
        }
    audio = extract_audio(video, folder, plan, timeline, origin=origin)
    fields |= {
        "split_options": options,
        "image_format": options.image_format,
        "pattern": frame_pattern(options),
        "audio_file": audio.file,
        "audio": audio.tracks,
        "subtitles": audio.subtitles,
        "container": plan.container,
        "notes": limited_notes(
            *reader.notes,
            *_describe_jumps(timeline),
            *_describe_cut_sound(timeline, plan, origin),
            *plan.notes,
            *audio.notes,
            *left_out,
            *describe_lost_projection(fields["projection"], fields["stereo"], plan.container),
        ),
    }
    return WholeVideo(fields=fields, timeline=timeline, **facts)


def _watched(images: Iterator[ReadImage], detector: SceneCutDetector, progress: Progress | None) -> Iterator[ReadImage]:
    for number, read in enumerate(images, start=1):
        detector.add(read.image)
        yield read
        if progress:
            progress(number)


def is_same_reading(earlier: Manifest, digest: str, options: SplitOptions) -> bool:
    """Return whether reading a video of this digest again would give `earlier`; other versions may differ."""
    is_own = "impasto_version" in earlier.model_fields_set and earlier.impasto_version == IMPASTO_VERSION
    return is_own and (earlier.source_sha256, earlier.split_options) == (digest, options)


def survey(video: Path, options: SplitOptions) -> tuple[PacketTimeline, AudioPlan]:
    """Read all packets once, without decoding, and decide what becomes of the sound."""
    with open_input(video) as container:
        stream = probe.select_video_stream(container, video.name, video)
        probe.check_track(stream, read_track_header(video, container, stream), name=video.name, hdr=options.hdr)
        try:
            timeline = scan(container, stream)
        except av.FFmpegError as error:
            raise InputError(f"{video.name} is damaged ({error.strerror})", UNREADABLE_REMEDY) from error
        plan = plan_audio(container.streams.audio, timeline, sound=options.sound, container=options.container)
    return timeline, plan


def _origin(
    video: Path, container: InputContainer, reader: VideoReader, timeline: PacketTimeline, plan: AudioPlan
) -> Fraction:
    """Return which time of the source becomes time 0."""
    starts = [timeline.streams[track.index].start or Fraction(0) for track in plan.tracks]
    is_mp4 = container.format.name.startswith("mov")
    return choose_origin(
        reader.first_seconds(),
        starts,
        time_base=reader.time_base,
        has_gap=is_mp4 and has_initial_gap(video, reader.track_id),
        may_wait=container.format.name not in BROADCAST_FORMATS,
    )


def limited_notes(*notes: str) -> tuple[str, ...]:
    """Return the notes as a manifest takes them: lines of limited length, and not too many."""
    lines = [line for note in notes if (line := sanitize_text(note))]
    if len(lines) > MAX_NOTES:
        lines[MAX_NOTES - 1 :] = [f"{len(lines) - MAX_NOTES + 1} further notes were left out"]
    return tuple(lines)


def _describe_cut_sound(timeline: PacketTimeline, plan: AudioPlan, origin: Fraction) -> list[str]:
    """Say how much sound before the first frame is left out, if it is more than an encoder's priming."""
    starts = [timeline.streams[track.index].start for track in plan.tracks]
    lead = max((origin - start for start in starts if start is not None), default=Fraction(0))
    return [f"Left out the first {float(lead):.1f} s of the sound: no frame is shown then"] if lead > MAX_LEAD else []


def _describe_jumps(timeline: PacketTimeline) -> list[str]:
    count = timeline.jump_count
    return [f"Closed {count} {'jump' if count == 1 else 'jumps'} of the video's clock"] if count else []


def _source_metadata(container: InputContainer) -> dict[str, Any]:
    """Return title, tags and creation time, or None where the file has none or not in a usable form."""
    created = sanitize_text(container.metadata.get("creation_time"))
    try:
        datetime.fromisoformat(created or "")
    except ValueError:
        created = None
    return {
        "title": sanitize_text(container.metadata.get("title")),
        "tags": read_tags(container),
        "creation_time": created,
    }


def _recording_location(container: InputContainer) -> str | None:
    """Return where the video was recorded, as ISO 6709 text."""
    keys = ("location", "com.apple.quicktime.location.ISO6709")
    return next((text for key in keys if (text := sanitize_text(container.metadata.get(key)))), None)


def validated_manifest(fields: dict[str, Any]) -> Manifest:
    """Return the manifest; raises InputError if a value of the video does not fit into one."""
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(map(str, detail["loc"])) or "values"
        reason = f"unsupported {name}: {detail['msg'].removeprefix('Value error, ')}"
        raise InputError(f"{fields['source']} can't be split ({reason})", UNREADABLE_REMEDY) from error


def frame_pattern(options: SplitOptions) -> str:
    """Return the pattern of the names of a video's frames."""
    return f"{{:06d}}.{options.image_format}"


def sha256_of_video(video: Path) -> str:
    """Return the SHA-256 of a file; raises InputError for a folder or a device, MissingError if it can't be opened."""
    try:
        check_regular(video, video.stat())
        with video.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(f"{video} can't be opened ({error.strerror})", "Check the path.") from error
