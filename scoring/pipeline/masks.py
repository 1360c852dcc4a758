"""Masks say where to paint: one for each frame, from a folder of images or from a video.

White paints, black keeps the input, gray blends; transparent parts of a mask count as black. A mask of another size is
resized to that of the frame.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

import cv2
import numpy as np
from PIL import Image

from frame_tools.contracts.errors import InputError, NextStep
from frame_tools.contracts.plan import PlannedMask
from frame_tools.media.containers import ByteSource
from frame_tools.media.mask_video import MaskVideo
from scoring.image_codec import decode_with_alpha
from scoring.opencv import invert, resize, subtract_saturated, to_gray
from scoring.types import Mask

CACHED_MASKS: Final = 16
"""Masks of a video that are cached, for threads that ask slightly out of order."""

ReadBlob = Callable[[str], bytes | None]
"""Reads a whole blob by its name; None if it does not exist. Thread-safe."""


class Masks(Protocol):
    """The masks of a run."""

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Return the mask of frame `index`, counted from 0, at `size` (width, height); thread-safe.

        Raises InputError if it does not exist or cannot be read.
        """


def open_masks(planned: PlannedMask, *, read: ReadBlob, frame_name: Callable[[int], str]) -> Masks:
    """Open the masks of a run; `frame_name` returns the file name of a frame.

    Raises InputError for a video that does not exist or cannot be read.
    """
    if planned.kind == "folder":
        return FolderMasks(planned, read=read, frame_name=frame_name)
    name = PurePosixPath(planned.blob.name).name
    data = read(planned.blob.name)
    if data is None:
        raise InputError(
            f"The mask video {name!r} no longer exists",
            "Upload it again, then resubmit the missing batches",
            next_step=NextStep.RESUBMIT,
        )
    return VideoMasks(io.BytesIO(data), name=name)


class FolderMasks:
    """Masks in a folder, named as the frames but for the planned suffix."""

    def __init__(self, planned: PlannedMask, *, read: ReadBlob, frame_name: Callable[[int], str]) -> None:
        self._planned = planned
        self._read = read
        self._frame_name = frame_name

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Read and decode one mask."""
        blob_name = self._planned.blob_for(self._frame_name(index))
        folder, name = PurePosixPath(blob_name).parent, PurePosixPath(blob_name).name
        data = self._read(blob_name)
        if data is None:
            raise InputError(
                f"There is no mask {name} in {str(folder)!r}",
                "Upload one mask for every frame, then resubmit the missing batches",
                next_step=NextStep.RESUBMIT,
            )
        return _resize_to(decode_mask(data, name), size)


class VideoMasks:
    """Masks in a video: frame i of it is the mask of frame i. Fast if asked in roughly the order of the frames."""

    def __init__(self, file: Path | ByteSource, *, name: str) -> None:
        self._name = name
        self._video = MaskVideo(file, name=name)
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Mask] = OrderedDict()
        self._images: Iterator[Image.Image] = iter(())
        self._next: int | None = None

    def mask(self, index: int, size: tuple[int, int]) -> Mask:
        """Decode up to the mask; an index before the last one restarts at the key frame before it."""
        with self._lock:
            mask = self._cache.get(index)
            if mask is None:
                mask = self._decode(index)
        return _resize_to(mask, size)

    def _decode(self, index: int) -> Mask:
        if self._next is None or index < self._next:
            self._images, self._next = self._video.images(index), index
        while self._next <= index:
            image = self._next_image()
            if image is None:
                raise InputError(
                    f"The mask video {self._name!r} is shorter than the video: it has no frame {index}",
                    "Upload a mask video as long as the video, then resubmit the missing batches",
                    next_step=NextStep.RESUBMIT,
                )
            self._cache[self._next] = np.asarray(image)
            self._next += 1
            if len(self._cache) > CACHED_MASKS:
                self._cache.popitem(last=False)
        return self._cache[index]

    def _next_image(self) -> Image.Image | None:
        try:
            return next(self._images, None)
        except InputError:
            self._next = None  # a generator that raised looks exhausted afterwards
            raise


def decode_mask(data: bytes, name: str) -> Mask:
    """Decode an image file to (H, W) uint8; raises InputError with `name` if that fails."""
    decoded = decode_with_alpha(data, name)
    gray = to_gray(decoded.picture)
    if decoded.alpha is None:
        return gray
    # The picture is blended with white; without the white that shows through, it is blended with black.
    return subtract_saturated(gray, invert(decoded.alpha))


def _resize_to(mask: Mask, size: tuple[int, int]) -> Mask:
    """Resize a mask to (width, height)."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    shrinks = size[0] <= width and size[1] <= height
    return resize(mask, *size, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
