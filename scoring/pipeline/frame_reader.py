"""Read and decode frames by their index in the manifest."""

from fractions import Fraction
from typing import Protocol

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.manifest import Manifest
from scoring.image_codec import DecodedPicture, checked_header, decode_with_alpha
from scoring.pipeline.frame_source import FrameError
from scoring.types import FramePosition


class PictureSource(Protocol):
    """Frames by name: files, or pictures."""

    def read(self, name: str) -> bytes | DecodedPicture:
        """Return the file of a frame, or the decoded frame; thread-safe.

        Raises InputError if it can't be used, TemporaryError if it cannot be read now.
        """


def read_frame(manifest: Manifest, source: PictureSource, index: int) -> DecodedPicture:
    """Read and decode frame `index`; raises FrameError if it is missing, unreadable or has another size."""
    name = manifest.frame_name(index)
    data = source.read(name)
    return data if isinstance(data, DecodedPicture) else decode_frame(manifest, data, name)


def decode_frame(manifest: Manifest, data: bytes, name: str) -> DecodedPicture:
    """Decode the file of a frame; raises FrameError if it is unreadable or its size is not that of the video.

    The size in the header is compared first: memory is never taken for more pixels than the run was planned with.
    """
    try:
        header = checked_header(data, name)
        if sorted(header.size) != sorted((manifest.width, manifest.height)):
            raise _wrong_size(manifest, name, header.size)
        decoded = decode_with_alpha(data, name)
    except FrameError:
        raise
    except InputError as error:
        raise FrameError(error.what, error.remedy, code=error.code, next_step=error.next_step) from error
    height, width = decoded.picture.shape[:2]
    if (width, height) != (manifest.width, manifest.height):
        raise _wrong_size(manifest, name, (width, height))
    return decoded


def _wrong_size(manifest: Manifest, name: str, size: tuple[int, int]) -> FrameError:
    return FrameError(
        f"Frame {name} has {size[0]}x{size[1]} pixels, but the video has {manifest.width}x{manifest.height}",
        "Upload frames of one size, then resubmit the missing batches",
        next_step=NextStep.RESUBMIT,
    )


def frame_position(manifest: Manifest, index: int) -> FramePosition:
    """Return the index of a frame and its time in seconds from the first frame."""
    ticks = manifest.frame_pts[index] - manifest.frame_pts[0]
    return FramePosition(index, float(Fraction(ticks) * manifest.time_base))
