"""YCbCr matrix and range of a video, chosen the same way for decoding to RGB and for encoding from RGB.

Untagged video follows the usual convention: BT.601 up to 576 lines, BT.709 above, limited range.
Code points are those of ITU-T H.273, table 4 (matrix coefficients).
"""

from dataclasses import dataclass
from typing import Final

from av.video.reformatter import ColorRange, Colorspace, Interpolation

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.media_description import Color

SD_HEIGHT: Final = 576
UNSPECIFIED: Final = 2
PQ: Final = 16
HLG: Final = 18
HDR_NAMES: Final = {PQ: "PQ", HLG: "HLG"}
BT709: Final = 1
_BT601: Final = 6
_SWSCALE_MATRICES: Final = {
    BT709: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    _BT601: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
# Bit-exact rounding costs little and makes a frame's bytes the same on every processor.
SCALING: Final = int(
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Conversion between YCbCr and RGB: `matrix` and `range` as swscale names them, `code` the matrix of H.273."""

    matrix: Colorspace
    range: ColorRange
    code: int


def conversion_for_tags(color: Color, *, height: int) -> Conversion:
    """Choose matrix and range for a video with the tags `color` and `height` coded lines (before rotation).

    Raises InputError for a matrix that swscale does not support (YCgCo, constant luminance, ICtCp).
    """
    matrix = color.matrix
    if matrix is None or matrix == UNSPECIFIED:
        matrix = _BT601 if height <= SD_HEIGHT else BT709
    if matrix not in _SWSCALE_MATRICES:
        raise InputError(
            f"The video's color matrix (code {matrix} of H.273) is not supported",
            "Convert the video to BT.709 first.",
        )
    levels = ColorRange.JPEG if color.range == "full" else ColorRange.MPEG
    return Conversion(_SWSCALE_MATRICES[matrix], levels, matrix)


def conversion_for_manifest(manifest: Manifest) -> Conversion:
    """Choose matrix and range for the frames of `manifest`, as the split did."""
    is_sideways = manifest.rotation in (90, 270)
    return conversion_for_tags(manifest.color, height=manifest.width if is_sideways else manifest.height)
