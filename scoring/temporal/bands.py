"""Bands of rows in which large pictures are smoothed, on several threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from scoring.thread_pools import available_cores

BAND_HEIGHT: Final = 32
"""Pixels: height of the bands of rows that are processed."""
MAX_THREADS: Final = 16
THREADS_MIN_PIXELS: Final = 2**19
"""Frames with at least this many pixels are smoothed on several threads: frames depend on one another, so two frames
cannot be smoothed at once."""


def for_row_bands(call: Callable[[slice], None], height: int, width: int) -> None:
    """Call for each band of BAND_HEIGHT rows, on several threads for a large picture; the result is the same."""
    bands = [slice(top, min(top + BAND_HEIGHT, height)) for top in range(0, height, BAND_HEIGHT)]
    if height * width < THREADS_MIN_PIXELS:
        for rows in bands:
            call(rows)
    else:
        list(_threads().map(call, bands))  # the list raises what a call raised


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the process's threads for large pictures."""
    return ThreadPoolExecutor(min(available_cores(), MAX_THREADS), "temporal")
