"""What is done to a scored frame on its way out: size, colours, mask, strength, in this order."""

from collections.abc import Callable
from typing import Final

from frame_tools.contracts.errors import InternalError
from frame_tools.contracts.options import Options
from scoring.postprocess.blend import with_mask, with_strength
from scoring.postprocess.color import keep_luma, match_statistics
from scoring.postprocess.resize import to_full_size
from scoring.types import Mask, Picture

_COLORS: Final[dict[str, Callable[[Picture, Picture], Picture]]] = {
    "luma": keep_luma,
    "statistics": match_statistics,
}


class Compositor:
    """The touch of one run: a pure function of a frame, to be called on any thread.

    What is off costs nothing: if nothing is on, the scored frame itself comes back.
    """

    def __init__(self, options: Options) -> None:
        self._strength = options.strength
        self._color = _COLORS.get(options.preserve_color)

    def __call__(self, picture: Picture, scored: Picture, mask: Mask | None = None) -> Picture:
        """Finish a frame: `picture` is the input, uint8 (H, W, 3), `scored` what was made of it, (h, w, 3).

        The mask, uint8 (H, W), has the input's size. Raises InternalError if it has not.
        """
        if mask is not None and mask.shape != picture.shape[:2]:
            raise InternalError(f"A mask of {mask.shape} for a picture of {picture.shape}", "Resize the mask first")
        full = to_full_size(scored, picture)
        if self._color is not None:
            full = self._color(full, picture)
        if mask is not None:
            full = with_mask(full, picture, mask)
        return with_strength(full, picture, self._strength)
