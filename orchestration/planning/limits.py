"""Limits of a run: its frames, their pixels as they are read and as they are delivered, and its sound."""

from typing import Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_values import MAX_SIDE
from frame_tools.contracts.programs import scaled_size
from orchestration.settings import Settings

MAX_AUDIO_PACKETS: Final = 3_000_000
"""Packets of all audio tracks and subtitles, for which an MP4 index takes 32 bytes each while it is joined."""


def check_limits(manifest: Manifest, settings: Settings, *, scale: int = 1) -> None:
    """Raise InputError if the run exceeds a limit of this deployment; `scale` is that of its program."""
    if manifest.frame_count > settings.max_frames:
        raise InputError(
            f"The video has {manifest.frame_count} frames; at most {settings.max_frames} are allowed",
            "Cut it into parts, or raise MAX_FRAMES",
        )
    if manifest.width * manifest.height > settings.max_frame_pixels:
        raise InputError(
            f"Frames of {manifest.width}x{manifest.height} exceed the limit of {settings.max_frame_pixels} pixels",
            "Scale the video down, or raise MAX_FRAME_PIXELS",
        )
    if scale > 1:
        _check_scaled_size(manifest, settings, scale)
    _check_sound(manifest)


def _check_scaled_size(manifest: Manifest, settings: Settings, scale: int) -> None:
    width, height = scaled_size(manifest.width, manifest.height, scale)
    if width * height > settings.max_frame_pixels:
        raise InputError(
            f"The program makes frames of {width}x{height}, {scale} times {manifest.width}x{manifest.height}, which"
            f" exceed the limit of {settings.max_frame_pixels} pixels",
            "Scale the video down, use a program of a smaller scale, or raise MAX_FRAME_PIXELS",
        )
    if max(width, height) > MAX_SIDE:
        raise InputError(
            f"The program makes frames of {width}x{height}; a side may have {MAX_SIDE} pixels",
            "Scale the video down, or use a program of a smaller scale",
        )


def _check_sound(manifest: Manifest) -> None:
    if manifest.audio_packets > MAX_AUDIO_PACKETS:
        raise InputError(
            f"The sound has {manifest.audio_packets} packets; at most {MAX_AUDIO_PACKETS} are allowed",
            "Cut the video into parts, or leave out some of its audio tracks",
        )
