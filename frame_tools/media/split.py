"""Split a video into upright frames, audio and a manifest, so that joining restores the same length and timestamps.

A complete folder contains `frames/000001.jpg` and so on, `audio.mp4` or `audio.mka` if the video has audio, and
`manifest.json`, which is written last.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.media.animated_webp import decodable_file
from frame_tools.media.files import write_atomically
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE, load_complete_manifest, prepare_folder
from frame_tools.media.frame_writer import FrameWriter
from frame_tools.media.metadata import sanitize_text
from frame_tools.media.read_frame import ReadImage
from frame_tools.media.video_limits import VideoLimits
from frame_tools.media.whole_video import (
    Progress,
    frame_pattern,
    is_same_reading,
    read_whole_video,
    sha256_of_video,
    validated_manifest,
)


def split(
    video: Path,
    folder: Path,
    options: SplitOptions | None = None,
    *,
    limits: VideoLimits | None = None,
    progress: Progress | None = None,
    on_frame: Callable[[Path], None] | None = None,
) -> Manifest:
    """Split `video` into `folder` and return the manifest.

    A complete folder that this version of Impasto made of the same video with the same options stays as it is. Frames
    are RGB, as JPEG (quality 95, 4:4:4) or PNG. `progress` is called with the number of frames decoded so far,
    `on_frame` with the file of each written frame, on one of several threads.
    Raises InputError if the video exceeds the `limits` or can't be read from beginning to end, MissingError if it does
    not exist.
    """
    options, limits = options or SplitOptions(), limits or VideoLimits()
    digest = sha256_of_video(video)
    earlier = load_complete_manifest(folder)
    if earlier and earlier.index is None and is_same_reading(earlier, digest, options):
        return earlier

    def write_frames(images: Iterator[ReadImage]) -> None:
        prepare_folder(folder)
        with FrameWriter(folder / FRAMES_FOLDER, options.image_format, on_frame) as writer:
            for number, read in enumerate(images, start=1):
                writer.write(read.image, frame_pattern(options).format(number))

    with decodable_file(video, limits) as file:
        fields = read_whole_video(file, folder, options, limits, write_frames, progress).fields
    fields |= {"source": sanitize_text(video.name) or "video", "source_sha256": digest}
    manifest = validated_manifest(fields)
    write_atomically(folder / MANIFEST_FILE, manifest.dumps())
    return manifest
