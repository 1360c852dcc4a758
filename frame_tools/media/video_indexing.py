"""Index a video: one pass that decodes it as a split does, writes no frame, and finds where decoding may begin.

A key frame counts if the codec promises that what follows needs nothing before it, if the container can be searched,
and if decoding from a few of them in fact gives the frames of the pass.
"""

import hashlib
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from PIL import Image

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.inputs import Pin, md5_pin
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.video_index import MIN_KEY_DISTANCE, Obstacle, VideoIndex
from frame_tools.media.animated_webp import decodable_file
from frame_tools.media.files import write_atomically
from frame_tools.media.frame_decoder import FrameInfo
from frame_tools.media.frame_folder import MANIFEST_FILE, load_complete_manifest
from frame_tools.media.indexed_video import IndexedVideo
from frame_tools.media.metadata import sanitize_text
from frame_tools.media.read_frame import ReadImage
from frame_tools.media.video_limits import VideoLimits
from frame_tools.media.whole_video import (
    Progress,
    WholeVideo,
    is_same_reading,
    read_whole_video,
    sha256_of_video,
    validated_manifest,
)

_SEARCHABLE_FORMATS: Final = ("mov", "matroska")
"""Begins of FFmpeg's names of containers whose header lists key frames."""
_MAX_TRIED_KEYS: Final = 32
_COMPARED_FRAMES: Final = 2


def index_video(
    video: Path,
    folder: Path,
    options: SplitOptions | None = None,
    *,
    limits: VideoLimits | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write the manifest with an index, and the audio as a split does, into `folder`; return the manifest.

    A complete folder that this version of Impasto made of the same video with the same options stays as it is.
    `progress` is called with the number of frames decoded so far. Raises what `split` raises.
    """
    options, limits = options or SplitOptions(), limits or VideoLimits()
    digest = sha256_of_video(video)
    earlier = load_complete_manifest(folder)
    if earlier and earlier.index is not None and is_same_reading(earlier, digest, options):
        return earlier
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    keys = _KeyFrames()

    def note_keys(images: Iterator[ReadImage]) -> None:
        for number, read in enumerate(images):
            keys.add(number, read.info, read.image)

    with decodable_file(video, limits) as file:
        whole = read_whole_video(file, folder, options, limits, note_keys, progress)
        source = {"source": sanitize_text(video.name) or "video", "source_sha256": digest}
        lead = int(options.deinterlace == "on" and keys.has_fields)
        pin = _pin_of(video)
        obstacle = _obstacle(whole, keys, is_copy=file != video, mixes_fields=bool(lead) and keys.has_progressive)
        if obstacle is None:
            manifest = validated_manifest(
                whole.fields | source | {"index": _index(whole, keys.numbers, lead, None, pin)}
            )
            obstacle = None if keys.are_found_in(file, manifest, lead) else "seek"
        if obstacle is not None:
            manifest = validated_manifest(whole.fields | source | {"index": _index(whole, (0,), lead, obstacle, pin)})
    write_atomically(folder / MANIFEST_FILE, manifest.dumps())
    return manifest


def _pin_of(video: Path) -> Pin:
    """Return the pin of the file, with which uploads of it are recorded; not for security."""
    with video.open("rb") as file:
        return md5_pin(hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest())


def _index(whole: WholeVideo, keys: tuple[int, ...], lead: int, obstacle: Obstacle | None, pin: Pin) -> VideoIndex:
    return VideoIndex(
        origin=whole.origin,
        keys=keys,
        lead=1 if lead else 0,
        has_jumps=whole.timeline.jump_count > 0,
        obstacle=obstacle,
        file=pin,
    )


def _obstacle(whole: WholeVideo, keys: "_KeyFrames", *, is_copy: bool, mixes_fields: bool) -> Obstacle | None:
    """Return why decoding has to begin at the first frame, as far as the pass shows it."""
    if is_copy or not whole.format_name.startswith(_SEARCHABLE_FORMATS):
        return "format"
    if whole.timeline.jump_count:
        return "clock"
    if whole.stream.has_edits:
        return "edits"
    if not whole.is_intact:
        return "damage"
    if not whole.has_sound_timestamps:
        return "timestamps"
    if mixes_fields:
        return "fields"
    return None if len(keys.numbers) > 1 else "keys"


class _KeyFrames:
    """The key frames of a video, none closer to another than `MIN_KEY_DISTANCE`, and checksums of images after them."""

    def __init__(self) -> None:
        self.has_fields = False
        self.has_progressive = False
        self._keys = [0]
        self._sums: dict[int, int] = {}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The key frames, beginning with frame 0."""
        return tuple(self._keys)

    def add(self, number: int, info: FrameInfo, image: Image.Image) -> None:
        """Take the next frame."""
        self.has_fields |= info.has_fields
        self.has_progressive |= not info.has_fields
        if info.is_key and number - self._keys[-1] >= MIN_KEY_DISTANCE:
            self._keys.append(number)
        if number - self._keys[-1] <= _COMPARED_FRAMES:
            self._sums[number] = _checksum(image)

    def are_found_in(self, file: Path, manifest: Manifest, lead: int) -> bool:
        """Return whether decoding from a few of the key frames gives the images of the pass."""
        video = IndexedVideo(file, manifest, name=file.name)
        later = self._keys[1:]
        step = -(-len(later) // _MAX_TRIED_KEYS)
        try:
            return all(self._is_found(video, key + lead) for key in [*later[::step], later[-1]])
        except InputError:
            return False

    def _is_found(self, video: IndexedVideo, start: int) -> bool:
        images = list(islice(video.images(start), _COMPARED_FRAMES))
        return [_checksum(image) for image in images] == [
            self._sums[number] for number in range(start, start + len(images))
        ]


def _checksum(image: Image.Image) -> int:
    return zlib.crc32(image.tobytes())
