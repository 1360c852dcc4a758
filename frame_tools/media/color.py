"""Which matrix and range turn a video's YCbCr into RGB, and RGB back: the same answer for both ways.

Untagged video follows the usual convention: BT.601 up to 576 lines, BT.709 above, limited range.
Code points are those of ITU-T H.273, table 4 (matrix coefficients).
"""

from dataclasses import dataclass
from typing import Final

from av.video.reformatter import ColorRange, Colorspace, Interpolation

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Color, Manifest

SD_HEIGHT: Final = 576
UNSPECIFIED: Final = 2
PQ: Final = 16
HLG: Final = 18
_SWSCALE_MATRIX: Final = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
# Bit-exact rounding costs little here and makes a frame's bytes the same on every kind of processor.
SCALING: Final = int(
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """How to convert between YCbCr and RGB: `matrix` and `range` as swscale names them."""

    matrix: Colorspace
    range: ColorRange


def conversion(color: Color, *, height: int) -> Conversion:
    """Choose matrix and range for a video with the tags `color` and `height` lines as coded, before rotation.

    Raises InputError for a matrix that is not a plain one (YCgCo, constant luminance, ICtCp).
    """
    matrix = color.matrix
    if matrix in (None, UNSPECIFIED):
        matrix = 6 if height <= SD_HEIGHT else 1
    if matrix not in _SWSCALE_MATRIX:
        raise InputError(
            f"The video's colour matrix (code {matrix} of H.273) is not supported",
            "Convert the video to BT.709 first.",
        )
    levels = ColorRange.JPEG if color.range == "full" else ColorRange.MPEG
    return Conversion(_SWSCALE_MATRIX[matrix], levels)


def conversion_of(manifest: Manifest) -> Conversion:
    """Choose matrix and range for the frames of `manifest`, as splitting chose them."""
    on_its_side = manifest.rotation in (90, 270)
    return conversion(manifest.color, height=manifest.width if on_its_side else manifest.height)
