"""Turns a scored frame into the delivered frame: size, colors, mask and strength, in this order."""

from collections.abc import Callable
from typing import Final

from frame_tools.contracts.errors import InternalError
from frame_tools.contracts.options import Options
from scoring.postprocess.blend import with_mask, with_strength
from scoring.postprocess.color import keep_luma, match_statistics
from scoring.postprocess.resize import enlarge, to_full_size
from scoring.types import Mask, Picture

_COLOR_MODES: Final[dict[str, Callable[[Picture, Picture], Picture]]] = {
    "luma": keep_luma,
    "statistics": match_statistics,
}


class Compositor:
    """The postprocessing of one run: a pure function of a frame, callable on any thread.

    Options that are off cost nothing: if none is on, the scored frame itself is returned.
    """

    def __init__(self, options: Options, *, scale: int = 1) -> None:
        """`scale`: size of the delivered frames, as a multiple of that of the input."""
        self._scale = scale
        self._strength = options.strength
        self._preserve_color = _COLOR_MODES.get(options.preserve_color)

    def __call__(self, picture: Picture, scored: Picture, mask: Mask | None = None) -> Picture:
        """Return the delivered frame; `picture` is the input, uint8 (H, W, 3), `scored` its result, (h, w, 3).

        The mask, uint8 (H, W), must have the size of the delivered frame; otherwise InternalError is raised.
        """
        height, width = (side * self._scale for side in picture.shape[:2])
        if mask is not None and mask.shape != (height, width):
            raise InternalError(
                f"The mask has the shape {mask.shape}, not that of the delivered picture, {(height, width)}",
                "Resize the mask first",
            )
        if self._returns_scored(mask) and scored.shape[:2] == (height, width):
            return scored  # enlarging the input would cost more than the rest
        picture = enlarge(picture, self._scale)
        full = to_full_size(scored, picture)
        if self._preserve_color is not None:
            full = self._preserve_color(full, picture)
        if mask is not None:
            full = with_mask(full, picture, mask)
        return with_strength(full, picture, self._strength)

    def _returns_scored(self, mask: Mask | None) -> bool:
        """Return whether nothing of the input is needed beside the scored frame."""
        return mask is None and self._preserve_color is None and self._strength == 1
