"""Motion-compensated blending: a scored frame is drawn towards the one before, moved along, and loses no sharpness.

Each frame is a mean of itself and of what was shown before, moved to where it is now (bicubic); what stands still
remembers more frames than what moves. Means are softer than what they are made of, so the finest detail, in colour, is
then strengthened until the luma's Laplacian has, all around, the energy that it has in the scored frame. The picture
that the next frame follows is strengthened only so far that no pattern can feed on itself: fed back with share k,
sharpening by c times the Laplacian has at most the gain k * (1 + 8c), kept at 1 in each pixel. Without that bound,
scribbles grow over plain surfaces in half a second.
"""

import math
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.temporal.flow import MotionField, grid
from scoring.types import Picture

CELL: Final = 32
"""Pixels: side of the squares over which sharpness is compared. A strip of this height is worked on at once."""
STRONGEST: Final = 0.5
"""Most of the Laplacian that is taken off a picture."""
STILL: Final = 0.3
MOVING: Final = 0.6
"""Pixels a frame: up to STILL a place counts as still, from MOVING on as moving, between them in proportion."""
STILL_POWER: Final = 0.8
MOVING_POWER: Final = 1.2
"""Powers of the weight there: of how many frames one counts. What moves is fetched from between pixels again and again,
which blurs its strokes, so it remembers less; what stands still can bear more, and its slow flicker needs it. Chosen on
the clips of docs/steadiness.md: at 0.7 no cell of that table has a warping error above 0.35 or a style loss above 1.05.
"""
LEAST: Final = 0.1
"""Smaller shares count as this where the feedback is bounded: the bound is above STRONGEST there."""
FADED: Final = 1 / 32
"""What may be left of the frame that a warm-up began with. Measured: the mean difference is then about one grey level
or less, which is a quarter of a step between steadied frames."""
MOST_THREADS: Final = 16
THREADS_PIXELS: Final = 2**19
"""From so many pixels on a frame is worked on by several threads: frames follow one another, so nothing else can."""

Floats: TypeAlias = NDArray[np.float32]


def warm_up_frames(weight: float) -> int:
    """Give how many frames before a batch must be scored so that its border can't be seen; `weight` 0 to 1."""
    return math.ceil(math.log(FADED) / math.log(weight)) if weight > 0 else 0


def warm_up_start(start: int, *, weight: float, cuts: Sequence[int]) -> int:
    """Give the frame at which a batch from `start` on begins to look: never one before the last scene cut."""
    scene = max((cut for cut in cuts if cut <= start), default=0)
    return max(scene, start - warm_up_frames(weight))


class TemporalSmoother:
    """Blends frames one after the other; it keeps the frame before, so each batch needs its own.

    weight: of what was shown before, 0 to 0.9, rather more where nothing moves and less where something does; of the
        frame itself it is the rest.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._before: Floats | None = None
        self._seen = 0

    def follow(self, scored: Picture, link: MotionField | None) -> Picture:
        """Give the steadied picture of (H, W, 3) uint8; call in order. Without a link it starts anew from `scored`."""
        if link is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._seen = scored.astype(np.float32), 1
            return scored
        # The first frames of a scene count alike: else its very first would outlive them all.
        most = min(self._weight**STILL_POWER, self._seen / (self._seen + 1))
        self._seen += 1
        share = np.minimum(remembered(link, self._weight, scored), np.float32(most))
        blended = blend(scored, self._before, link, share)
        out, self._before = sharpened(blended, strengthening(blended, scored), share)
        return out


def remembered(link: MotionField, weight: float, scored: Picture) -> Floats:
    """Give the share of the picture before in each pixel, (H, W): `weight`, raised or lowered by motion, times trust.

    It is reckoned on the small grid of the link's trust.
    """
    height, width = scored.shape[:2]
    h, w = link.trust.shape
    x, y = cv2.split(cv2.resize(link.back, (w, h), interpolation=cv2.INTER_AREA))
    lengths = cv2.magnitude(x * np.float32(width / link.back.shape[1]), y * np.float32(height / link.back.shape[0]))
    moving = np.clip((lengths - np.float32(STILL)) / np.float32(MOVING - STILL), 0, 1)
    still, moved = weight**STILL_POWER, weight**MOVING_POWER
    share = link.trust * (np.float32(still) + np.float32(moved - still) * moving)
    found: Floats = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    return found


def blend(scored: Picture, before: Floats, link: MotionField, share: Floats) -> Floats:
    """Mix the picture before, moved to where it is now, with the scored one, (H, W, 3): `share` of it, (H, W)."""
    height, width = scored.shape[:2]
    ways = link.ways(height, width)
    blended = np.empty(scored.shape, np.float32)

    def mix(rows: slice) -> None:
        places = cv2.add(ways[rows], grid(range(rows.start, rows.stop), width))
        moved = cv2.remap(before, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        some = share[rows]
        cv2.blendLinear(moved, scored[rows].astype(np.float32), some, 1 - some, dst=blended[rows])

    _in_strips(mix, height, width)
    return blended


def strengthening(blended: Floats, scored: Picture) -> Floats:
    """Give how much of its Laplacian to take off `blended`, (H, W), 0 to STRONGEST.

    Taking off c times the Laplacian L gives the Laplacian L - c LL, whose energy is LL² c² - 2 L LL c + L²: a quadratic
    in c, which is solved for the energy of the scored picture's Laplacian, around each square of CELL pixels; of lumas.
    """
    height, width = scored.shape[:2]
    cells = np.empty((-(-height // CELL), max(1, round(width / CELL)), 4), np.float32)

    def look(rows: slice) -> None:
        around = _laplacian(blended, rows, margin=1, luma=True)
        skipped = rows.start - max(0, rows.start - 1)
        inner = slice(skipped, skipped + rows.stop - rows.start)
        once, twice = around[inner], cv2.Laplacian(around, cv2.CV_32F)[inner]
        target = _laplacian(scored, rows, margin=0, luma=True)
        energies = cv2.merge((once * once, once * twice, twice * twice, target * target))
        cells[rows.start // CELL] = cv2.resize(energies, (cells.shape[1], 1), interpolation=cv2.INTER_AREA)

    _in_strips(look, height, width)
    own, mixed, twice, target = cv2.split(cv2.blur(cells, (3, 3)))
    root = np.sqrt(np.maximum(mixed * mixed + twice * (target - own), 0))
    share = np.where(target > own, (mixed + root) / np.maximum(twice, np.float32(1e-3)), 0)
    share = np.clip(share, 0, STRONGEST).astype(np.float32)
    found: Floats = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    return found


def sharpened(blended: Floats, wanted: Floats, share: Floats) -> tuple[Picture, Floats]:
    """Take `wanted` (H, W) of its Laplacian off `blended`, in all colours alike: luma's alone would leave strokes grey.

    Give the picture to show, uint8, and the one to go on from, float32: strengthened no further than can be fed back
    with `share`, (H, W), without growing.
    """
    out, kept = np.empty(blended.shape, np.uint8), np.empty_like(blended)

    def take(rows: slice) -> None:
        detail, some = _laplacian(blended, rows, margin=0, luma=False), wanted[rows]
        cv2.subtract(blended[rows], cv2.multiply(detail, cv2.merge((some,) * 3)), dst=out[rows], dtype=cv2.CV_8U)
        less = np.minimum(some, (1 / np.maximum(share[rows], np.float32(LEAST)) - 1) / 8)
        cv2.subtract(blended[rows], cv2.multiply(detail, cv2.merge((less,) * 3)), dst=kept[rows])

    _in_strips(take, *blended.shape[:2])
    return out, kept


def _laplacian(picture: NDArray[Any], rows: slice, *, margin: int, luma: bool) -> Floats:
    """Give the Laplacian of `rows` and of `margin` rows around them, where the picture has some: of luma or colours."""
    top, bottom = max(0, rows.start - margin), min(len(picture), rows.stop + margin)
    first = max(0, top - 1)
    part = picture[first : bottom + 1]
    values = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY) if luma else part
    found: Floats = cv2.Laplacian(values, cv2.CV_32F)[top - first : bottom - first]
    return found


def _in_strips(call: Callable[[slice], None], height: int, width: int) -> None:
    """Call for strips of CELL rows; on several threads if the picture is large. The result does not depend on them."""
    strips = [slice(top, min(top + CELL, height)) for top in range(0, height, CELL)]
    if height * width < THREADS_PIXELS:
        for rows in strips:
            call(rows)
    else:
        list(_threads().map(call, strips))  # the list raises what a call raised


@cache
def _threads() -> ThreadPoolExecutor:
    """Give the process's threads for large pictures."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return ThreadPoolExecutor(min(cores, MOST_THREADS), "steady")
