"""Frames that a task decodes from the run's video: its stretch in order, and now and then one from elsewhere.

The video is read range by range, or as a whole if it is small. Nothing of it is stored, and no frame is encoded. One
thread at a time asks the decoder, which has threads of its own, for the next frame; each reader converts its own.
"""

import io
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import BlobRef
from frame_tools.media.containers import ByteSource
from frame_tools.media.frame_converter import Pixels
from frame_tools.media.indexed_video import IndexedVideo
from frame_tools.media.read_frame import ReadFrame
from frame_tools.storage.pins import START_ANEW, has_version, needs_etag, pin_of
from frame_tools.storage.ports import BlobContainer
from scoring.image_codec import DecodedPicture
from scoring.types import Picture

WHOLE_BYTES: Final = 8 * 2**20
"""Videos up to this size are read at once: two ranges of it would be read in any case."""
CACHED_FRAMES: Final = 16
"""Decoded frames that are kept for threads that ask slightly out of order, besides those that a thread waits for."""
CURSORS: Final = 2
"""Positions at which decoding can go on: that of the stretch, and one for frames from elsewhere."""
MAX_SKIPPED: Final = 48
"""Frames that are decoded and dropped to get to a later one, where seeking would not begin behind them anyway."""


class VideoFrames:
    """The frames of a video by name, as a split would call them. Thread-safe; fast in roughly increasing order."""

    def __init__(self, open_file: Callable[[], ByteSource], manifest: Manifest, *, name: str) -> None:
        self._open_file, self._manifest, self._name = open_file, manifest, name
        self._indices = {manifest.frame_name(index): index for index in range(manifest.frame_count)}
        self._lock = threading.Lock()
        self._cursors: list[_Cursor] = []
        self._cache: OrderedDict[int, ReadFrame] = OrderedDict()
        self._counting = threading.Lock()
        self._awaited: Counter[int] = Counter()

    def read(self, name: str) -> DecodedPicture:
        """Return a frame; raises InputError if the video is damaged or not the one that the run was planned with."""
        index = self._indices[name]
        self._await(index, 1)
        try:
            with self._lock:
                frame = self._decoded(index)
        finally:
            self._await(index, -1)
        return DecodedPicture(picture_of(frame.pixels()), None)

    def _await(self, index: int, change: int) -> None:
        """Count the threads that wait for a frame: before the lock, which may go to other threads again and again."""
        with self._counting:
            self._awaited[index] += change
            if not self._awaited[index]:
                del self._awaited[index]

    def _decoded(self, index: int) -> ReadFrame:
        while index not in self._cache:
            number, frame = self._cursor_before(index).next()
            self._cache[number] = frame
            self._cache.move_to_end(number)
            self._drop_old()
        return self._cache[index]

    def _drop_old(self) -> None:
        with self._counting:
            others = [number for number in self._cache if number not in self._awaited]
        for number in others[:-CACHED_FRAMES]:
            del self._cache[number]

    def _cursor_before(self, index: int) -> "_Cursor":
        """Return the cursor nearest before a frame, used last from now on; a new one if none is near."""
        near = [cursor for cursor in self._cursors if 0 <= index - cursor.position <= self._reach(index)]
        cursor = max(near, key=lambda each: each.position, default=None)
        if cursor is None:
            video = self._cursors.pop(0).stop() if len(self._cursors) == CURSORS else self._open()
            cursor = _Cursor(video, index)
        else:
            self._cursors.remove(cursor)
        self._cursors.append(cursor)
        return cursor

    def _reach(self, index: int) -> int:
        """Return how far before a frame decoding may go on to it: seeking would begin at its key frame."""
        key = self._manifest.index.key_before(index) if self._manifest.index is not None else 0
        return max(MAX_SKIPPED, index - key)

    def _open(self) -> IndexedVideo:
        return IndexedVideo(self._open_file(), self._manifest, name=self._name)


class _Cursor:
    """A position in a video that moves forward."""

    def __init__(self, video: IndexedVideo, start: int) -> None:
        self.position = start
        self._video = video
        self._frames: Generator[ReadFrame] | None = None

    def next(self) -> tuple[int, ReadFrame]:
        """Decode the frame at the position, and move on."""
        if self._frames is None:
            self._frames = self._video.frames(self.position)
        try:
            frame = next(self._frames)
        except BaseException:
            self._frames = None  # a generator that raised looks exhausted afterwards
            raise
        self.position += 1
        return self.position - 1, frame

    def stop(self) -> IndexedVideo:
        """Stop decoding, and return the video for another cursor: it supports one at a time."""
        if self._frames is not None:
            self._frames.close()
        return self._video


def picture_of(pixels: Pixels) -> Picture:
    """Return pixels as an array that may be written to, without a copy where their rows have no gaps."""
    width, height, line_size = pixels.width, pixels.height, pixels.line_size
    rows = np.frombuffer(pixels.data, np.uint8, count=height * line_size).reshape(height, line_size)
    return np.require(rows[:, : 3 * width], requirements=["C", "W"]).reshape(height, width, 3)


def open_video_frames(
    container: BlobContainer, ref: BlobRef, pins: InputPins | None, manifest: Manifest
) -> VideoFrames:
    """Return the frames of a video blob; raises InputError if it is gone or was replaced after the run was planned."""
    name = PurePosixPath(ref.name).name
    pin = pins.frames[0] if pins is not None and len(pins.frames) == 1 else None
    if pin is None:
        raise DamagedError(f"The plan does not pin the video {name!r}", "Start a new run")
    info = container.info(ref.name)
    if info is None:
        raise InputError(
            f"The video {name!r} no longer exists",
            "Upload it again, then resubmit the missing batches",
            next_step=NextStep.RESUBMIT,
        )
    if info.size <= WHOLE_BYTES:
        data = container.need(ref.name).data
        if not has_version(pin, data, container, ref.name):
            raise _replaced(name, pin)
        return VideoFrames(lambda: io.BytesIO(data), manifest, name=name)

    def open_ranges() -> ByteSource:
        """Open the blob first: what is read later is the version that is compared, or an error."""
        reader, current = container.open(ref.name), container.info(ref.name)
        if current is None or pin_of(current) != pin:
            raise _replaced(name, pin)
        return reader

    return VideoFrames(open_ranges, manifest, name=name)


def _replaced(name: str, pin: str) -> InputError:
    return InputError(
        f"The video {name!r} was replaced after the run was planned",
        START_ANEW
        if needs_etag(pin)
        else "Upload the original again, then resubmit the missing batches; for the new video, start a new run by"
        " uploading the trigger file again",
        code=ErrorCode.INPUT_CHANGED,
        next_step=NextStep.START_NEW_RUN if needs_etag(pin) else NextStep.RESUBMIT,
    )
