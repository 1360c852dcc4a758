"""What all readers of image headers share: the header itself, the kinds of files, and the bound on the work."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from frame_tools.contracts.image_files import ImageKind

MAX_HEADER_PARTS: Final = 4096
"""Segments, chunks, blocks, tags or boxes in front of the pixels of one image."""
ROTATED_90: Final = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""
ReadPart: TypeAlias = Callable[[int, int], bytes]
"""Returns up to as many bytes of a file as the second argument says, from the position in the first."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself: `width` and `height` as stored, and its EXIF `orientation` (1 to 8).

    `crop` is the width and height of the part that is shown, before it is turned; None if all is shown.
    """

    kind: ImageKind
    width: int
    height: int
    orientation: int = 1
    crop: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as displayed."""
        width, height = self.crop or (self.width, self.height)
        return (height, width) if self.orientation in ROTATED_90 else (width, height)


def header_parts() -> Iterator[int]:
    """Yield the numbers of the parts of a header; raises ValueError after `MAX_HEADER_PARTS`."""
    yield from range(MAX_HEADER_PARTS)
    raise ValueError("too many parts")
