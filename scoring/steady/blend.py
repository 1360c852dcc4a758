"""Motion-compensated blending: a scored frame is drawn towards the one before, moved along, and loses no sharpness.

Each frame is a mean of itself and of what was shown before, moved to where it is now (bicubic). Means are softer than
what they are made of, so the finest detail is then strengthened until the Laplacian has, all around, the energy that it
has in the scored frame. The picture that the next frame follows is strengthened only so far that no pattern can feed
on itself: fed back with weight k, sharpening by c times the Laplacian has at most the gain k * (1 + 8c), kept at 1.
Without that bound, scribbles grow over plain surfaces in half a second.
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

from scoring.protocol import Picture
from scoring.steady.flow import Link, grid

CELL: Final = 32
"""Pixels: side of the squares over which sharpness is compared. A strip of this height is worked on at once."""
STRONGEST: Final = 0.5
"""Most of the Laplacian that is taken off a picture."""
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


class Steadier:
    """Blends frames one after the other; it keeps the frame before, so each batch needs its own.

    weight: of what was shown before, 0 to 0.9; of the frame itself it is the rest.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._before: Floats | None = None
        self._seen = 0

    def follow(self, scored: Picture, link: Link | None) -> Picture:
        """Give the steadied picture of (H, W, 3) uint8; call in order. Without a link it starts anew from `scored`."""
        if link is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._seen = scored.astype(np.float32), 1
            return scored
        # The first frames of a scene count alike: else its very first would outlive them all.
        weight = min(self._weight, self._seen / (self._seen + 1))
        self._seen += 1
        blended = blend(scored, self._before, link, weight)
        detail, wanted = strengthening(blended, scored)
        out, self._before = sharpened(blended, detail, wanted, fed_back=(1 / weight - 1) / 8)
        return out


def blend(scored: Picture, before: Floats, link: Link, weight: float) -> Floats:
    """Mix the picture before, moved to where it is now, with the scored one, (H, W, 3): `weight` times trust of it."""
    height, width = scored.shape[:2]
    shares = link.weights(height, width) * np.float32(weight)
    ways = link.ways(height, width)
    blended = np.empty(scored.shape, np.float32)

    def mix(rows: slice) -> None:
        places = cv2.add(ways[rows], grid(range(rows.start, rows.stop), width))
        moved = cv2.remap(before, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        share = shares[rows]
        cv2.blendLinear(moved, scored[rows].astype(np.float32), share, 1 - share, dst=blended[rows])

    _in_strips(mix, height, width)
    return blended


def strengthening(blended: Floats, scored: Picture) -> tuple[Floats, Floats]:
    """Give the Laplacian of `blended`'s luma (H, W), and how much of it to take off, (H, W), 0 to STRONGEST.

    Taking off c times the Laplacian L gives the Laplacian L - c LL, whose energy is LL² c² - 2 L LL c + L²: a quadratic
    in c, which is solved for the energy of the scored picture's Laplacian, around each square of CELL pixels.
    """
    height, width = scored.shape[:2]
    detail = np.empty((height, width), np.float32)
    cells = np.empty((-(-height // CELL), max(1, round(width / CELL)), 4), np.float32)

    def look(rows: slice) -> None:
        around = _laplacian(blended, rows, margin=1)
        skipped = rows.start - max(0, rows.start - 1)
        inner = slice(skipped, skipped + rows.stop - rows.start)
        once, twice = around[inner], cv2.Laplacian(around, cv2.CV_32F)[inner]
        target = _laplacian(scored, rows, margin=0)
        detail[rows] = once
        energies = cv2.merge((once * once, once * twice, twice * twice, target * target))
        cells[rows.start // CELL] = cv2.resize(energies, (cells.shape[1], 1), interpolation=cv2.INTER_AREA)

    _in_strips(look, height, width)
    own, mixed, twice, target = cv2.split(cv2.blur(cells, (3, 3)))
    root = np.sqrt(np.maximum(mixed * mixed + twice * (target - own), 0))
    share = np.where(target > own, (mixed + root) / np.maximum(twice, np.float32(1e-3)), 0)
    share = np.clip(share, 0, STRONGEST).astype(np.float32)
    return detail, cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)


def sharpened(blended: Floats, detail: Floats, wanted: Floats, *, fed_back: float) -> tuple[Picture, Floats]:
    """Take `wanted` of `detail` off; give the picture to show, and the one to go on from, with at most `fed_back`."""
    out, kept = np.empty(blended.shape, np.uint8), np.empty_like(blended)

    def take(rows: slice) -> None:
        one, some = detail[rows], wanted[rows]
        cv2.subtract(blended[rows], cv2.merge((one * some,) * 3), dst=out[rows], dtype=cv2.CV_8U)
        less = one * np.minimum(some, np.float32(fed_back))
        cv2.subtract(blended[rows], cv2.merge((less,) * 3), dst=kept[rows])

    _in_strips(take, *blended.shape[:2])
    return out, kept


def _laplacian(picture: NDArray[Any], rows: slice, *, margin: int) -> Floats:
    """Give the Laplacian of the luma of `rows` and of `margin` rows around them, where the picture has some."""
    top, bottom = max(0, rows.start - margin), min(len(picture), rows.stop + margin)
    first = max(0, top - 1)
    luma = cv2.cvtColor(picture[first : bottom + 1], cv2.COLOR_RGB2GRAY)
    found: Floats = cv2.Laplacian(luma, cv2.CV_32F)[top - first : bottom - first]
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
