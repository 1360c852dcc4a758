"""The size at which a frame is scored: smaller or larger than the video's, depending on the options."""

from typing import Final

from frame_tools.contracts.options import Options

STYLE_LINES: Final = 720
"""Shorter side at which `strokes` 1 scores."""
MAX_ENLARGEMENT: Final = 4
"""Maximum factor by which a side is enlarged for scoring; beyond that, the network paints on blur."""
MAX_SIDE: Final = 8192
MAX_PIXELS: Final = 7680 * 4320
"""Limits of frames that are enlarged for scoring."""
SIZE_TOLERANCE: Final = 16
"""Frames within 1/16 of the requested stroke size are not resized: resampling would only blur them."""


def working_size(width: int, height: int, options: Options) -> tuple[int, int]:
    """Return (width, height) at which a frame of `width` by `height` pixels is scored, of the same shape.

    `size` is the shorter side there; a smaller frame is scored at its own size. `strokes` s asks for a shorter side
    of 720 / s, for which frames are enlarged too: at most 4 times, and within 8K. Only one of the options is allowed.
    """
    shorter = lines = min(width, height)
    if options.size is not None:
        lines = min(options.size, shorter)
    elif options.stroke_size is not None:
        lines = _lines_for_strokes(width, height, options.stroke_size)
    return _scale_side(width, lines, shorter), _scale_side(height, lines, shorter)


def _lines_for_strokes(width: int, height: int, strokes: float) -> int:
    """Return the shorter side for strokes of this size."""
    shorter, longer = sorted((width, height))
    lines = max(1, round(STYLE_LINES / strokes))
    if abs(lines - shorter) * SIZE_TOLERANCE <= shorter:
        return shorter
    if lines < shorter:
        return lines
    by_side = shorter * MAX_SIDE // longer
    by_pixels = int(shorter * (MAX_PIXELS / (shorter * longer)) ** 0.5)
    return max(shorter, min(lines, shorter * MAX_ENLARGEMENT, by_side, by_pixels))


def _scale_side(side: int, lines: int, shorter: int) -> int:
    """Return side * lines / shorter, rounded half up, at least 1."""
    return max(1, (2 * side * lines + shorter) // (2 * shorter))
