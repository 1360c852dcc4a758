"""Split a video into upright frames, its sound and a manifest, so that joining gives back the same length and times.

A folder looks like this when it is whole: `frames/000001.jpg` and so on, `audio.mp4` or `audio.mka` if there is
sound, and `manifest.json`, which is written last. Frames are those a player shows (edit lists are obeyed), in the order
it shows them, interlaced ones as stored.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from av.container import InputContainer
from pydantic import ValidationError

from frame_tools.contracts import manifest as manifests
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.media import audio, probe
from frame_tools.media.containers import REMEDY, opened
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE, load_complete_manifest, prepare_folder
from frame_tools.media.frame_writer import FrameWriter, write_atomically
from frame_tools.media.metadata import line
from frame_tools.media.scene_detection import SceneCutDetector
from frame_tools.media.video_reader import VideoReader

ImageFormat = Literal["jpg", "png"]
Progress = Callable[[int], None]


def split(
    video: Path,
    folder: Path,
    *,
    image_format: ImageFormat = "jpg",
    keep_place: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Split `video` into `folder` and return the manifest; a whole folder of the same video is left as it is.

    Frames are RGB, as JPEG (quality 95, 4:4:4) or PNG. `keep_place` passes on where the video was recorded.
    `progress` is called with the number of frames decoded so far.
    Raises InputError if the video can't be read from beginning to end, MissingError if it is not there.
    """
    digest = _sha256(video)
    with opened(video) as container:
        place = _place(container) if keep_place else None
        whole = load_complete_manifest(folder)
        if whole and (whole.source_sha256, whole.image_format, whole.place) == (digest, image_format, place):
            return whole
        reader = VideoReader(container, probe.picture_stream(container, video.name), name=video.name)
        prepare_folder(folder)
        scenes = SceneCutDetector()
        with FrameWriter(folder / FRAMES_FOLDER, image_format) as writer:
            for count, image in enumerate(reader.images(), start=1):
                scenes.add(image)
                writer.write(image, _pattern(image_format).format(count))
                if progress:
                    progress(count)
        fields = {**reader.description(), **_words(container), "place": place, "cuts": scenes.cuts()}
    sound = audio.extract(video, folder)
    fields |= {
        "source": line(video.name) or "video",
        "source_sha256": digest,
        "image_format": image_format,
        "pattern": _pattern(image_format),
        "audio_file": sound.file,
        "audio": tuple(
            track.model_copy(update={"start": track.start + reader.times().moved}) for track in sound.tracks
        ),
        "container": "mkv" if sound.file == "audio.mka" else "mp4",
        "notes": (*reader.notes, *sound.notes),
    }
    manifest = _checked(fields)
    write_atomically(folder / MANIFEST_FILE, manifests.dumps(manifest))
    return manifest


def _words(container: InputContainer) -> dict[str, str | None]:
    """Title and creation time, if the file has them in a form that can be passed on."""
    created = line(container.metadata.get("creation_time"))
    try:
        datetime.fromisoformat(created or "")
    except ValueError:
        created = None
    return {"title": line(container.metadata.get("title")), "creation_time": created}


def _place(container: InputContainer) -> str | None:
    """Where the video was recorded, as ISO 6709 text."""
    keys = ("location", "com.apple.quicktime.location.ISO6709")
    return next((place for key in keys if (place := line(container.metadata.get(key)))), None)


def _checked(fields: dict[str, Any]) -> Manifest:
    try:
        return Manifest.model_validate(fields)
    except ValidationError as error:
        raise InputError(f"{fields['source']} has values that can't be used ({error})", REMEDY) from error


def _pattern(image_format: ImageFormat) -> str:
    return f"{{:06d}}.{image_format}"


def _sha256(video: Path) -> str:
    try:
        with video.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingError(f"{video} can't be opened ({error.strerror})", "Check the name.") from error
