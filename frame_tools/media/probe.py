"""Which stream of a file is the video, and whether we can paint it: found out before any frame is written."""

import re
from fractions import Fraction
from typing import Final

from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import MAX_SIDE, Color
from frame_tools.media.color import HLG, PQ, UNSPECIFIED
from frame_tools.media.containers import REMEDY

# Formats that hold frames in the order of decoding and say nothing of when they are shown.
UNTIMED_FORMATS: Final = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})
_LOOSE: Final = Fraction(1, 2)
_STILLS: Final = Disposition.attached_pic | Disposition.timed_thumbnails
_RANGES: Final = {1: "limited", 2: "full"}
_RGB_MATRIX: Final = 0
_BITS: Final = 8


def picture_stream(container: InputContainer, name: str) -> VideoStream:
    """Return the video stream that a player would show: the default one, or else the first; never a cover picture.

    Raises InputError if there is none, or none that can be decoded and painted: unknown codec, HDR, too large.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _STILLS]
    if not streams:
        raise InputError(f"{name} has no video stream", "Give a file with moving pictures.")
    stream = next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])
    context = stream.codec_context
    if context is None:
        raise InputError(f"The video in {name} has a codec that is not known", REMEDY)
    if context.color_trc in (PQ, HLG):
        raise InputError(
            f"{name} is HDR video ({'PQ' if context.color_trc == PQ else 'HLG'}), which would look washed out",
            "Convert it to SDR (BT.709) first.",
        )
    if not (1 <= context.width <= MAX_SIDE and 1 <= context.height <= MAX_SIDE):
        raise InputError(
            f"{name} shows {context.width}x{context.height} pixels", f"Sides from 1 to {MAX_SIDE} are accepted."
        )
    return stream


def color_of(stream: VideoStream) -> Color:
    """Read the stream's colour tags. Video stored as RGB has no matrix or range of its own."""
    context = stream.codec_context
    pixels = context.pix_fmt or ""
    is_rgb = context.colorspace == _RGB_MATRIX or "rgb" in pixels or "gbr" in pixels or "bgr" in pixels
    # yuvj420p and its kin are full range by name.
    levels = "full" if pixels.startswith("yuvj") else _RANGES.get(int(context.color_range))
    return Color.model_validate(
        {
            "primaries": _tag(context.color_primaries),
            "transfer": _tag(context.color_trc),
            "matrix": None if is_rgb else _tag(context.colorspace),
            "range": None if is_rgb else levels,
        }
    )


def sample_aspect_of(stream: VideoStream) -> Fraction:
    """Width of a stored pixel divided by its height; 1 where the file does not say."""
    ratio = stream.sample_aspect_ratio
    return Fraction(ratio) if ratio else Fraction(1)


def missing_at_end(container: InputContainer, stream: VideoStream, *, packets: int, end: Fraction) -> str | None:
    """Say what is missing if a file was cut off: compare `packets` and `end` (seconds) with what it promises.

    MP4 and its kin list every packet in front. Others promise a length at most, which is compared loosely; an MP4's
    own length can't be used, since edit lists shorten what is shown.
    """
    if container.format.name.startswith("mov"):
        promised = len(stream.index_entries)
        return f"cut off: {packets} of {promised} frames are there" if packets < promised else None
    seconds = _promised_seconds(stream)
    if seconds is None or seconds - end <= _LOOSE:
        return None
    return f"cut off: it should last {float(seconds):.1f} s"


def _promised_seconds(stream: VideoStream) -> Fraction | None:
    """Return when a stream ends by its header: frames in AVI, else seconds.

    Matroska files carry seconds in a tag DURATION (h:mm:ss.fraction).
    """
    if stream.frames and stream.average_rate:  # AVI; its duration is ffmpeg's estimate from the file's size
        return stream.frames / Fraction(stream.average_rate)
    if stream.duration is not None and stream.time_base is not None:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])


def losses(frame: VideoFrame, *, turned: bool) -> list[str]:
    """Say what of this frame an upright 8-bit RGB picture does not keep."""
    notes = []
    components = frame.format.components
    if (bits := max(component.bits for component in components)) > _BITS:
        notes.append(f"{bits} bits a channel were reduced to {_BITS}")
    if any(component.is_alpha for component in components):
        notes.append("The transparency was dropped")
    if frame.interlaced_frame:
        notes.append("The video is interlaced; both fields are in one frame")
    if not turned:
        notes.append("The video asks to be turned by less than a quarter turn; it was left as stored")
    return notes


def _tag(code: int) -> int | None:
    """Return a tag of H.273, or None for unspecified and reserved ones."""
    return None if int(code) in (0, UNSPECIFIED, 3) else int(code)
