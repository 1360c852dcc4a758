"""Walk over large pictures in strips of rows, so that what is worked out in between stays in the processor's cache."""

from collections.abc import Iterator
from typing import Final

STRIP_PIXELS: Final = 2**15
"""Measured on 1920x1080: strips of 2^14 to 2^16 pixels are 2 to 4 times as fast as the whole frame at once."""


def strips(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows that cover [0, height), each of at least one row."""
    rows = max(1, STRIP_PIXELS // max(1, width))
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))
