"""What becomes of each audio track, decided from the headers before the first frame is decoded.

A track is copied if the output's container holds its codec and common players decode it there. Everything else is
converted: PCM and other lossless codecs to ALAC (FLAC where ALAC does not support the channels), the rest to AAC.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal, TypeAlias, assert_never

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer

from frame_tools.contracts.choices import ContainerChoice, Sound, VideoContainer
from frame_tools.contracts.errors import InputError
from frame_tools.media.packet_timeline import PacketTimeline

AudioEncoder: TypeAlias = Literal["aac", "alac", "flac"]

MUXERS: Final[dict[VideoContainer, str]] = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}
_PLAYED_EVERYWHERE: Final = frozenset({"aac", "alac", "mp3"})
_IN_MOV: Final = _PLAYED_EVERYWHERE | {"ac3", "eac3"}
_IN_MP4: Final = _IN_MOV | {"flac", "opus"}
# MP4 has a place for some of these, but Apple's players and browsers do not decode them there.
_ONLY_IN_MKV: Final = frozenset({"dts", "mp2", "tta", "vorbis", "wavpack"})
# Matroska's own identifiers; it holds more by embedding Windows' or QuickTime's headers, which few players read.
_IN_MKV: Final = _IN_MP4 | _ONLY_IN_MKV | {"mlp", "truehd", "pcm_u8"}
_IN_MKV_AS_PCM: Final = frozenset({"pcm_f32le", "pcm_f64le", "pcm_s16le", "pcm_s24le", "pcm_s32le"})
_LOSSLESS: Final = frozenset({"alac", "ape", "flac", "mlp", "tak", "truehd", "tta", "wavpack", "wmalossless"})
_BIT_RATE_PER_CHANNEL: Final = 128_000
_MONO_BIT_RATE: Final = 160_000
_AAC_RATES: Final = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_CD_BITS: Final = 16
_LAYOUTS: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1(back)", 8: "7.1"}
# ALAC only knows the surround channels by the first name; they are the same signals.
_SIDE_LAYOUTS: Final = {"5.0(side)": "5.0", "5.1(side)": "5.1"}


class Reason(StrEnum):
    """Why a track is converted."""

    CONTAINER = "few players decode it in the output"
    EDITS = "several parts of it are shown"
    REQUESTED = "the option sound is convert"


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a track is encoded again; `bit_rate` in bits per second, None for lossless codecs."""

    encoder: AudioEncoder
    layout: str
    sample_rate: int
    sample_format: str
    bit_rate: int | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """One audio track: its stream index, its codec's name, and how it is converted (None: it is copied)."""

    index: int
    codec: str
    conversion: Conversion | None


@dataclass(frozen=True, slots=True)
class AudioPlan:
    """The container of the output and what becomes of the audio tracks; `notes` say what is not a plain copy."""

    container: VideoContainer
    tracks: tuple[TrackPlan, ...]
    notes: tuple[str, ...]


def plan_audio(
    streams: Sequence[AudioStream], timeline: PacketTimeline, *, sound: Sound, container: ContainerChoice
) -> AudioPlan:
    """Decide what becomes of the audio streams of a video.

    Raises InputError if a track can be neither copied nor converted.
    """
    default: VideoContainer = "mp4" if container == "auto" else container
    if sound == "drop":
        dropped = (f"Left out the sound ({len(streams)} tracks): the option sound is drop",) if streams else ()
        return AudioPlan(default, (), dropped)
    usable = [stream for stream in streams if _is_usable(stream, timeline)]
    chosen = _choose_container(usable, sound) if container == "auto" else default
    tracks = tuple(_plan_track(stream, timeline, sound=sound, container=chosen) for stream in usable)
    skipped = len(streams) - len(usable)
    notes = [f"Skipped {skipped} audio tracks that are empty or have an unknown codec"] if skipped else []
    for number, track in enumerate(tracks, start=1):
        if track.conversion is not None:
            notes.append(_describe_conversion(number, track, track.conversion, chosen))
    return AudioPlan(chosen, tracks, tuple(notes))


def _is_usable(stream: AudioStream, timeline: PacketTimeline) -> bool:
    """Return whether a stream has packets and a known codec (an unknown one has no context)."""
    if stream.codec_context is None or stream.codec_context.channels == 0 or stream.codec_context.sample_rate == 0:
        return False
    scanned = timeline.streams.get(stream.index)
    return scanned is not None and scanned.packets > 0 and scanned.start is not None


def _choose_container(streams: Sequence[AudioStream], sound: Sound) -> VideoContainer:
    """Return MKV if only that plays a track without conversion, else MP4."""
    copies = sound == "copy"
    return "mkv" if copies and any(_codec(stream) in _ONLY_IN_MKV for stream in streams) else "mp4"


def _plan_track(stream: AudioStream, timeline: PacketTimeline, *, sound: Sound, container: VideoContainer) -> TrackPlan:
    codec = _codec(stream)
    if timeline.streams[stream.index].has_edits:
        return TrackPlan(stream.index, codec, _conversion(stream, container, Reason.EDITS))
    if sound == "convert" and codec not in _PLAYED_EVERYWHERE:
        return TrackPlan(stream.index, codec, _conversion(stream, container, Reason.REQUESTED))
    if codec in _held_by(container) and _accepts_copy(stream, container):
        return TrackPlan(stream.index, codec, None)
    return TrackPlan(stream.index, codec, _conversion(stream, container, Reason.CONTAINER))


def _held_by(container: VideoContainer) -> frozenset[str]:
    """Return the codecs that common players decode in this container."""
    match container:
        case "mp4":
            return _IN_MP4
        case "mov":
            return _IN_MOV
        case "mkv":
            return _IN_MKV | _IN_MKV_AS_PCM
        case _:
            assert_never(container)


def _accepts_copy(stream: AudioStream, container: VideoContainer) -> bool:
    """Return whether the muxer writes a header for a copy of this stream."""
    try:
        with av.open(io.BytesIO(), "w", format=MUXERS[container], container_options={"fflags": "+bitexact"}) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _conversion(stream: AudioStream, container: VideoContainer, reason: Reason) -> Conversion:
    """Return how to encode a track again; raises InputError if no encoder supports its channels."""
    context = stream.codec_context
    codec = _codec(stream)
    layout = layout_or_default(stream)
    depth = "s32" if context.format.bits > _CD_BITS else "s16"
    rate = min(_AAC_RATES, key=lambda rate: (rate < context.sample_rate, abs(rate - context.sample_rate)))
    bit_rate = max(_MONO_BIT_RATE, _BIT_RATE_PER_CHANNEL * context.channels)
    candidates = [Conversion("aac", layout, rate, "fltp", bit_rate, reason)]
    if codec.startswith("pcm_") or codec in _LOSSLESS:
        alac = Conversion("alac", _SIDE_LAYOUTS.get(layout, layout), context.sample_rate, f"{depth}p", None, reason)
        flac = Conversion("flac", layout, context.sample_rate, depth, None, reason)
        candidates = [alac, *([flac] if container != "mov" else []), *candidates]
    chosen = next((conversion for conversion in candidates if _is_supported(conversion)), None)
    if chosen is None:
        raise InputError(
            f"The sound in {codec} with {context.channels} channels can be neither copied nor converted",
            "Set the option sound to drop, or convert the sound to AAC first.",
        )
    return chosen


def layout_or_default(stream: AudioStream) -> str:
    """Return the name of a track's channel layout; the usual one for their number if the file does not specify it."""
    context = stream.codec_context
    name = str(context.layout.name)
    return _LAYOUTS.get(context.channels, name) if name == f"{context.channels} channels" else name


def add_converted_stream(output: OutputContainer, conversion: Conversion) -> AudioStream:
    """Add a stream with the encoder of a conversion to `output`."""
    stream = output.add_stream(conversion.encoder, rate=conversion.sample_rate)
    context = stream.codec_context
    context.layout = conversion.layout
    context.format = conversion.sample_format
    context.time_base = Fraction(1, conversion.sample_rate)
    if conversion.bit_rate is not None:
        context.bit_rate = conversion.bit_rate
    return stream


def _is_supported(conversion: Conversion) -> bool:
    """Return whether the encoder accepts the layout and the rate."""
    try:
        with av.open(io.BytesIO(), "w", format="matroska") as trial:
            add_converted_stream(trial, conversion)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def _codec(stream: AudioStream) -> str:
    return str(stream.codec_context.codec.canonical_name)


def _describe_conversion(number: int, track: TrackPlan, conversion: Conversion, container: VideoContainer) -> str:
    quality = "lossless" if conversion.bit_rate is None else f"{conversion.bit_rate // 1000} kbit/s"
    reason: str = conversion.reason
    if conversion.reason is Reason.CONTAINER:
        reason = f"few players decode it in {container.upper()}"
    return f"Converted audio track {number} from {track.codec} to {conversion.encoder.upper()} ({quality}): {reason}"
