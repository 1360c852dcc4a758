"""Where to paint: one mask for each frame, from a folder of pictures or from a video.

White paints, black leaves the input, grey paints partly; transparent parts of a mask count as black. A mask of another
size is stretched to the frame's.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from PIL import Image

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.media.containers import ByteSource
from frame_tools.media.mask_video import MaskVideo
from scoring.image_codec import decode_with_alpha
from scoring.types import Mask

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
"""What a mask's name may end in; the rest is that of its frame."""
KEPT: Final = 16
"""Masks of a video that are kept, for threads that ask a little out of order."""

Read = Callable[[str], bytes | None]
"""Reads a whole blob by its name, None if there is no such blob; to be called on several threads."""


class Masks(Protocol):
    """The masks of a run."""

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Return the mask of the frame `index`, counted from 0, at `size` (width, height); on any thread.

        Raises InputError if there is none, or if it can't be read.
        """


def open_masks(kind: Literal["folder", "video"], name: str, *, read: Read, frame_name: Callable[[int], str]) -> Masks:
    """Open the masks called `name`: a folder's prefix, which ends with "/", or a video.

    `frame_name` gives the file name of a frame. Raises InputError for a video that is not there or can't be read.
    """
    if kind == "folder":
        return FolderMasks(name, read=read, frame_name=frame_name)
    data = read(name)
    if data is None:
        raise InputError(f"The mask {PurePosixPath(name).name!r} is not there any more", "Upload it again")
    return VideoMasks(io.BytesIO(data), name=PurePosixPath(name).name)


class FolderMasks:
    """Masks in a folder, named as the frames but for the ending."""

    def __init__(self, folder: str, *, read: Read, frame_name: Callable[[int], str]) -> None:
        self._folder = folder
        self._read = read
        self._frame_name = frame_name
        self._likely = SUFFIXES[0]

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Read one mask; the ending that the last one had is tried first."""
        stem = PurePosixPath(self._frame_name(index)).stem
        for suffix in sorted(SUFFIXES, key=lambda suffix: suffix != self._likely):
            data = self._read(f"{self._folder}{stem}{suffix}")
            if data is not None:
                self._likely = suffix
                return _fitted(decode_mask(data, f"{stem}{suffix}"), size)
        raise InputError(
            f"There is no mask {stem}.png or {stem}.jpg in {self._folder.rstrip('/')!r}",
            "Upload one for every frame, then resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        )


class VideoMasks:
    """Masks in a video: its frame i belongs to frame i. Made to be asked in about the order of the frames."""

    def __init__(self, file: Path | ByteSource, *, name: str) -> None:
        self._name = name
        self._video = MaskVideo(file, name=name)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Mask] = OrderedDict()
        self._images: Iterator[Image.Image] = iter(())
        self._next: int | None = None

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Decode up to the mask; going back starts again from the key frame before."""
        with self._lock:
            mask = self._kept.get(index)
            if mask is None:
                mask = self._decoded(index)
        return _fitted(mask, size)

    def _decoded(self, index: int) -> Mask:
        if self._next is None or index < self._next:
            self._images, self._next = self._video.images(index), index
        while self._next <= index:
            image = self._following()
            if image is None:
                raise InputError(
                    f"The mask {self._name!r} is shorter than the video: it has no frame {index}",
                    "Upload a mask as long as the video, then resubmit what is missing",
                    next_step=NextStep.RESUBMIT,
                )
            self._kept[self._next] = np.asarray(image)
            self._next += 1
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[index]

    def _following(self) -> Image.Image | None:
        try:
            return next(self._images, None)
        except InputError:
            self._next = None  # an iterator that failed looks like one at its end
            raise


def decode_mask(data: bytes, name: str) -> Mask:
    """Decode a JPEG or PNG file to a mask, (H, W) uint8; raise InputError with `name` if that is impossible."""
    decoded = decode_with_alpha(data, name)
    grey: Mask = cv2.cvtColor(decoded.picture, cv2.COLOR_RGB2GRAY)
    if decoded.alpha is None:
        return grey
    # The picture lies on white; less the white that shines through, it lies on black.
    on_black: Mask = cv2.subtract(grey, cv2.bitwise_not(decoded.alpha))
    return on_black


def _fitted(mask: Mask, size: tuple[int, int]) -> Mask:
    """Stretch a mask to (width, height)."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    shrinks = size[0] <= width and size[1] <= height
    fitted: Mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return fitted
