"""Orientation of a video: the display matrix of its frames, as one of eight rotations and reflections of an image."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from av.video.frame import VideoFrame
from PIL import Image
from typing_extensions import Buffer

Rotation = Literal[0, 90, 180, 270]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to make a stored image upright: the Pillow operation, and the rotation in degrees clockwise."""

    operation: Image.Transpose | None
    rotation: Rotation
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether the operation exchanges width and height."""
        return self.rotation in (90, 270)

    def to_upright(self, image: Image.Image) -> Image.Image:
        """Return the image upright; lossless, no pixel changes its value."""
        return image if self.operation is None else image.transpose(self.operation)


UPRIGHT: Final = Orientation(None, 0)
# Keys are the signs of a, b, c, d in x' = a x + c y, y' = b x + d y, with y growing downwards.
_BY_MATRIX: Final = {
    (1, 0, 0, 1): UPRIGHT,
    (0, 1, -1, 0): Orientation(Image.Transpose.ROTATE_270, 90),
    (-1, 0, 0, -1): Orientation(Image.Transpose.ROTATE_180, 180),
    (0, -1, 1, 0): Orientation(Image.Transpose.ROTATE_90, 270),
    (-1, 0, 0, 1): Orientation(Image.Transpose.FLIP_LEFT_RIGHT, 0, mirrored=True),
    (1, 0, 0, -1): Orientation(Image.Transpose.FLIP_TOP_BOTTOM, 180, mirrored=True),
    (0, 1, 1, 0): Orientation(Image.Transpose.TRANSPOSE, 90, mirrored=True),
    (0, -1, -1, 0): Orientation(Image.Transpose.TRANSVERSE, 270, mirrored=True),
}


def read_orientation(frame: VideoFrame) -> Orientation | None:
    """Read a decoded frame's display matrix; return None if its rotation is not a multiple of 90 degrees.

    The matrix is nine 32-bit integers in fixed point (ISO/IEC 14496-12, 6.2.2; libavutil/display.h).
    """
    data = cast("Mapping[str, Buffer]", frame.side_data).get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    largest = max(abs(value) for value in (a, b, c, d)) or 1
    return _BY_MATRIX.get(tuple(round(value / largest) for value in (a, b, c, d)))
