"""Checks of a video before any frame is written: which stream to use, its color tags, and whether it is complete."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from frame_tools.contracts.choices import HdrChoice
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.media_description import Color
from frame_tools.contracts.media_values import MAX_SIDE
from frame_tools.media.color import BT709, HDR_NAMES, UNSPECIFIED
from frame_tools.media.containers import UNREADABLE_REMEDY, ByteSource, open_input
from frame_tools.media.track_headers import TrackHeader

# Formats that store frames in decoding order without presentation times.
UNTIMED_FORMATS: Final = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})
_DURATION_TOLERANCE_SECONDS: Final = Fraction(1, 2)
_STILL_IMAGES: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_RANGES: Final = {1: "limited", 2: "full"}
_RGB_MATRIX: Final = 0
_NO_INFORMATION: Final = (0, UNSPECIFIED, 3)  # 0 and 3 are reserved
_OUTPUT_BITS: Final = 8


def select_video_stream(container: InputContainer, name: str, file: Path | ByteSource) -> VideoStream:
    """Return the video stream that is the film; `file` is what `container` reads.

    Cover images, streams of one frame and previews (less than half of the pixels of the largest stream) never win over
    another stream. Of the others, it is the default one, or else the first.
    Raises InputError if there is none, or if it can't be decoded or processed: unknown codec, too large.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _STILL_IMAGES]
    if not streams:
        raise InputError(f"{name} has no video stream", "Use a file that contains video.")
    stream = streams[0] if len(streams) == 1 else _select_film(streams, _count_first_frames(file, name))
    context = stream.codec_context
    if context is None:
        raise InputError(f"The video codec of {name} is unknown", UNREADABLE_REMEDY)
    if not (1 <= context.width <= MAX_SIDE and 1 <= context.height <= MAX_SIDE):
        raise InputError(
            f"The frames of {name} are {context.width}x{context.height} pixels",
            f"Scale the video so that each side is from 1 to {MAX_SIDE} pixels.",
        )
    return stream


def _select_film(streams: Sequence[VideoStream], frame_counts: Mapping[int, int]) -> VideoStream:
    """Return the film among several streams, whose `frame_counts` by index are exact up to 1."""
    readable = [stream for stream in streams if stream.codec_context is not None] or list(streams)
    moving = [stream for stream in readable if frame_counts.get(stream.index, 0) > 1] or readable
    largest = max(_pixels(stream) for stream in moving)
    films = [stream for stream in moving if 2 * _pixels(stream) >= largest]
    return next((stream for stream in films if stream.disposition & Disposition.default), films[0])


def _pixels(stream: VideoStream) -> int:
    context = stream.codec_context
    return 0 if context is None else context.width * context.height


def _count_first_frames(file: Path | ByteSource, name: str) -> dict[int, int]:
    """Return the number of packets of each video stream by index; reads until each has two."""
    position = None if isinstance(file, Path) else file.tell()
    with open_input(file, name=name) as container:
        streams = [stream for stream in container.streams.video if not stream.disposition & _STILL_IMAGES]
        counts = {stream.index: 0 for stream in streams}
        with suppress(av.FFmpegError):  # the reader reports damage
            for packet in container.demux(*counts):
                counts[packet.stream_index] += bool(packet.size)
                if min(counts.values()) > 1:
                    break
    if position is not None and not isinstance(file, Path):
        file.seek(position)
    return counts


HDR_REMEDY: Final = "Convert it to SDR (BT.709) first, or set hdr to tonemap."


def check_track(
    stream: VideoStream, header: TrackHeader, *, name: str, hdr: HdrChoice, remedy: str = HDR_REMEDY
) -> None:
    """Raise InputError for encrypted video, Dolby Vision without a base layer that others show, and refused HDR.

    `remedy` is what to do about HDR.
    """
    if header.is_encrypted:
        raise InputError(
            f"{name} is encrypted (DRM), so its frames can't be decoded", "Use a file without copy protection."
        )
    if not header.has_plain_base:
        raise InputError(
            f"{name} is Dolby Vision of profile {header.dolby_profile}, which has no HDR10, HLG or SDR picture in it",
            "Export it as SDR (BT.709), HDR10 or HLG, or as Dolby Vision of profile 8.",
        )
    transfer = read_color_tags(stream, header).transfer
    if hdr == "refuse" and transfer in HDR_NAMES:
        raise InputError(f"{name} is HDR video ({HDR_NAMES[transfer]}), which is to be refused", remedy)


def read_color_tags(stream: VideoStream, header: TrackHeader | None = None) -> Color:
    """Read the stream's color tags. Video stored as RGB has no matrix or range; untagged, it is BT.709.

    The base layer of Dolby Vision, if it is untagged, is what the configuration record in `header` says.
    """
    context = stream.codec_context
    if header is not None and header.base_color is not None and _tag_or_none(context.color_trc) is None:
        return header.base_color.model_copy(update={"range": _RANGES.get(int(context.color_range))})
    pixel_format = context.pix_fmt or ""
    is_rgb = context.colorspace == _RGB_MATRIX or any(order in pixel_format for order in ("rgb", "gbr", "bgr", "pal8"))
    # yuvj420p and similar formats are full range by name.
    levels = "full" if pixel_format.startswith("yuvj") else _RANGES.get(int(context.color_range))
    default = BT709 if is_rgb else None
    return Color.model_validate(
        {
            "primaries": _tag_or_none(context.color_primaries) or default,
            "transfer": _tag_or_none(context.color_trc) or default,
            "matrix": None if is_rgb else _tag_or_none(context.colorspace),
            "range": None if is_rgb else levels,
        }
    )


def read_sample_aspect(stream: VideoStream) -> Fraction:
    """Return the width of a stored pixel divided by its height; 1 if the file does not specify it."""
    ratio = stream.sample_aspect_ratio
    return Fraction(ratio) if ratio else Fraction(1)


def describe_truncation(
    container: InputContainer, stream: VideoStream, *, packets: int, end: Fraction, file_end: Fraction = Fraction(0)
) -> str | None:
    """Describe what is missing if the file was cut off, else return None.

    Compares the number of `packets` and the `end` of the last frame (seconds) with what the file's header declares.
    `file_end` is when the last packet of all streams ends: many headers declare only the whole file's duration.
    MP4 and related formats list every packet in the header. Others declare a duration at most, which is compared
    with a tolerance; an MP4's own duration can't be used, since edit lists shorten what is shown.
    """
    if container.format.name.startswith("mov"):
        declared = len(stream.index_entries)
        return f"cut off: {packets} of {declared} frames are present" if packets < declared else None
    seconds = _own_seconds(stream)
    if seconds is None:
        seconds, end = _file_seconds(stream), max(end, file_end)
    if seconds is None or seconds - end <= _DURATION_TOLERANCE_SECONDS:
        return None
    return f"cut off: it should last {float(seconds):.1f} s"


def _own_seconds(stream: VideoStream) -> Fraction | None:
    """Return when a stream ends according to its own header: by frame count in AVI, by a tag in Matroska.

    The tag is DURATION (h:mm:ss.fraction).
    """
    if stream.frames and stream.average_rate:  # AVI; its duration is FFmpeg's estimate from the file's size
        return stream.frames / Fraction(stream.average_rate)
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])


def _file_seconds(stream: VideoStream) -> Fraction | None:
    """Return when the stream, or the file (FFmpeg gives its duration to streams without their own), should end."""
    if stream.duration is None or stream.time_base is None:
        return None
    return ((stream.start_time or 0) + stream.duration) * stream.time_base


def describe_losses(frame: VideoFrame, *, has_orientation: bool) -> list[str]:
    """Describe what an upright 8-bit RGB image does not preserve of this frame."""
    notes = []
    components = frame.format.components
    if (bits := max(component.bits for component in components)) > _OUTPUT_BITS:
        notes.append(f"The color depth was reduced from {bits} to {_OUTPUT_BITS} bits per channel")
    if any(component.is_alpha for component in components):
        notes.append("Transparent parts were laid on white")
    if not has_orientation:
        notes.append("The video's rotation is not a multiple of 90 degrees; frames were left as stored")
    return notes


def _tag_or_none(code: int) -> int | None:
    """Return a code point of H.273, or None for unspecified and reserved ones."""
    return None if int(code) in _NO_INFORMATION else int(code)
