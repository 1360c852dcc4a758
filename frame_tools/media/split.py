"""Split a video into upright frames, audio and a manifest, so that joining restores the same length and timestamps.

A complete folder contains `frames/000001.jpg` and so on, `audio.mp4` or `audio.mka` if the video has audio, and
`manifest.json`, which is written last. Frames are those that a player shows (edit lists are respected), in presentation
order; interlaced ones are left as stored.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from av.container import InputContainer
from pydantic import ValidationError

from frame_tools.contracts.choices import ImageFormat
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media import probe
from frame_tools.media.audio import extract_audio
from frame_tools.media.containers import UNREADABLE_REMEDY, open_input
from frame_tools.media.files import write_atomically
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE, load_complete_manifest, prepare_folder
from frame_tools.media.frame_writer import FrameWriter
from frame_tools.media.metadata import sanitize_text
from frame_tools.media.scene_detection import SceneCutDetector
from frame_tools.media.video_reader import VideoReader

Progress = Callable[[int], None]


def split(
    video: Path,
    folder: Path,
    *,
    image_format: ImageFormat = "jpg",
    keep_location: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Split `video` into `folder` and return the manifest; a complete folder of the same video is left unchanged.

    Frames are RGB, as JPEG (quality 95, 4:4:4) or PNG. `keep_location` copies the recording location to the manifest.
    `progress` is called with the number of frames decoded so far.
    Raises InputError if the video can't be read from beginning to end, MissingError if it does not exist.
    """
    digest = _sha256(video)
    with open_input(video) as container:
        location = _recording_location(container) if keep_location else None
        earlier = load_complete_manifest(folder)
        if earlier and (earlier.source_sha256, earlier.image_format, earlier.place) == (digest, image_format, location):
            return earlier
        reader = VideoReader(container, probe.select_video_stream(container, video.name), name=video.name)
        prepare_folder(folder)
        cuts = _write_frames(reader, folder / FRAMES_FOLDER, image_format, progress)
        fields = {**reader.manifest_fields(), **_source_metadata(container), "place": location, "cuts": cuts}
    audio = extract_audio(video, folder)
    shift = reader.timestamps().shift_seconds
    fields |= {
        "source": sanitize_text(video.name) or "video",
        "source_sha256": digest,
        "image_format": image_format,
        "pattern": _pattern(image_format),
        "audio_file": audio.file,
        "audio": tuple(track.model_copy(update={"start": track.start + shift}) for track in audio.tracks),
        "container": "mkv" if audio.file == "audio.mka" else "mp4",
        "notes": (*reader.notes, *audio.notes),
    }
    manifest = _validated(fields)
    write_atomically(folder / MANIFEST_FILE, manifest.dumps())
    return manifest


def _write_frames(
    reader: VideoReader, folder: Path, image_format: ImageFormat, progress: Progress | None
) -> tuple[int, ...]:
    """Write all frames into `folder`; returns the scene cuts."""
    detector = SceneCutDetector()
    with FrameWriter(folder, image_format) as writer:
        for number, image in enumerate(reader.images(), start=1):
            detector.add(image)
            writer.write(image, _pattern(image_format).format(number))
            if progress:
                progress(number)
    return detector.cuts()


def _source_metadata(container: InputContainer) -> dict[str, str | None]:
    """Return title and creation time, or None where the file has none or not in a usable form."""
    created = sanitize_text(container.metadata.get("creation_time"))
    try:
        datetime.fromisoformat(created or "")
    except ValueError:
        created = None
    return {"title": sanitize_text(container.metadata.get("title")), "creation_time": created}


def _recording_location(container: InputContainer) -> str | None:
    """Return where the video was recorded, as ISO 6709 text."""
    keys = ("location", "com.apple.quicktime.location.ISO6709")
    return next((text for key in keys if (text := sanitize_text(container.metadata.get(key)))), None)


def _validated(fields: dict[str, Any]) -> Manifest:
    """Return the manifest; raises InputError if a value of the video does not fit into one."""
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"{fields['source']} has unsupported values ({error})", UNREADABLE_REMEDY) from error


def _pattern(image_format: ImageFormat) -> str:
    return f"{{:06d}}.{image_format}"


def _sha256(video: Path) -> str:
    try:
        with video.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(f"{video} can't be opened ({error.strerror})", "Check the path.") from error
