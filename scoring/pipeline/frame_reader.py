"""Read and decode frames by their index in the manifest."""

from fractions import Fraction

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.manifest import Manifest
from scoring.image_codec import DecodedPicture, decode_with_alpha
from scoring.pipeline.frame_source import FrameSource
from scoring.types import FramePosition


def read_frame(manifest: Manifest, source: FrameSource, index: int) -> DecodedPicture:
    """Read and decode frame `index`; raises InputError if it is missing, unreadable or has another size."""
    name = manifest.frame_name(index)
    return decode_frame(manifest, source.read(name), name)


def decode_frame(manifest: Manifest, data: bytes, name: str) -> DecodedPicture:
    """Decode the file of a frame; raises InputError if it is unreadable or its size is not that of the video."""
    decoded = decode_with_alpha(data, name)
    height, width = decoded.picture.shape[:2]
    if (width, height) != (manifest.width, manifest.height):
        raise InputError(
            f"Frame {name} has {width}x{height} pixels, but the video has {manifest.width}x{manifest.height}",
            "Upload frames of one size, then resubmit the missing batches",
            next_step=NextStep.RESUBMIT,
        )
    return decoded


def frame_position(manifest: Manifest, index: int) -> FramePosition:
    """Return the index of a frame and its time in seconds from the first frame."""
    ticks = manifest.frame_pts[index] - manifest.frame_pts[0]
    return FramePosition(index, float(Fraction(ticks) * manifest.time_base))
