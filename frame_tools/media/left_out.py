"""What of a video does not arrive in the output, beside its picture and its sound."""

from av.container import InputContainer
from av.stream import Disposition

from frame_tools.contracts.choices import VideoContainer
from frame_tools.contracts.media_values import MAX_CHAPTERS
from frame_tools.media.metadata import sanitize_text
from frame_tools.media.packet_timeline import PacketTimeline, StreamScan
from frame_tools.media.subtitles import is_kept

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


def describe_left_out(
    container: InputContainer, video_index: int, output: VideoContainer, timeline: PacketTimeline
) -> list[str]:
    """Name the streams that are left out: subtitles, other pictures, data and attachments."""
    notes = [
        f"Left out the subtitles {sanitize_text(stream.metadata.get('language')) or number}"
        f" ({stream.codec_context.codec.canonical_name if stream.codec_context else 'unknown codec'}):"
        f" they do not fit into {output.upper()}"
        for number, stream in enumerate(container.streams.subtitles, start=1)
        if not is_kept(stream, output, timeline) and timeline.streams.get(stream.index, StreamScan(packets=1)).packets
    ]
    others = [stream for stream in container.streams.video if stream.index != video_index]
    covers = sum(bool(stream.disposition & _PICTURES) for stream in others)
    chapter_tracks = bool(container.chapters()) and container.format.name.startswith("mov")
    counts = {
        "cover pictures or thumbnails": covers,
        "other video streams": len(others) - covers,
        # In MP4, the titles of chapters are such a track.
        "data tracks (such as timecode, GPS or sensors)": max(len(container.streams.data) - chapter_tracks, 0),
        "attachments (such as fonts)": len(container.streams.attachments),
    }
    notes += [f"Left out {count} {name}" for name, count in counts.items() if count]
    if not container.streams.data and _has_timecode(container):
        notes.append("Left out the timecode")
    if len(container.chapters()) > MAX_CHAPTERS:
        notes.append(f"Left out the chapters after the first {MAX_CHAPTERS}")
    return notes


def _has_timecode(container: InputContainer) -> bool:
    """Return whether a header has a timecode; in QuickTime files it is a data track."""
    names = {name.lower() for part in (container, *container.streams) for name in part.metadata}
    return "timecode" in names
