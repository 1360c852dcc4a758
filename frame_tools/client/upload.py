"""Upload of a split video, styles and masks to the container `input`: concurrent and resumable; the trigger comes last.

Files that are stored already with the same size and MD5 are not sent again. The trigger file is written only after a
listing shows that everything has arrived: a run without its frames would be refused.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.errors import InputError, MissingError, TemporaryError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.frame_folder import FRAMES_FOLDER, MANIFEST_FILE
from frame_tools.storage.blobs import BlobInfo, md5_of
from frame_tools.storage.deployment import DataStorage

UPLOAD_THREADS: Final = 16
Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, kw_only=True)
class UploadResult:
    """Result of an upload."""

    files: int
    sent: int
    """Files that were not stored yet."""


def count_text(count: int, noun: str) -> str:
    """Return "1 file" or "2 files"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def extra_files(styles: Sequence[Path] = (), mask: Path | None = None) -> dict[str, Path]:
    """Return the files to upload with a video, by blob name: style files, and a mask video or a folder of masks.

    Raises MissingError for a file that does not exist, InputError if two files have the same name.
    """
    files: dict[str, Path] = {}
    for style in styles:
        if not style.is_file():
            raise MissingError(f"The style {style} does not exist", "Use the path of a painting or a tuned style.")
        _add(files, ids.name_from(style.name), style)
    if mask is not None and mask.is_dir():
        folder = ids.name_from(mask.name)
        if folder == FRAMES_FOLDER:
            raise InputError(
                f"The folder of masks has the name of the frames' folder, {FRAMES_FOLDER!r}",
                "Rename it, e.g. to masks.",
            )
        for path in sorted(mask.iterdir()):
            if path.is_file():
                _add(files, f"{folder}/{ids.check_name(path.name, 'mask')}", path)
    elif mask is not None:
        if not mask.is_file():
            raise MissingError(f"The mask {mask} does not exist", "Use a folder of masks or a mask video.")
        _add(files, ids.name_from(mask.name), mask)
    return files


def _add(files: dict[str, Path], name: str, path: Path) -> None:
    if files.setdefault(name, path) != path:
        raise InputError(f"{files[name]} and {path} would both get the name {name!r}", "Rename one of them.")


def upload(
    folder: Path,
    *,
    name: str,
    storage: DataStorage,
    extras: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> UploadResult:
    """Upload the split video in `folder`, and `extras` (see `extra_files`), to `input/<name>/`.

    Raises MissingError if the folder is not a complete split, InputError if `input/<name>/` contains frames of another
    video, TemporaryError if a file did not arrive.
    """
    ids.check_name(name, "run's name")
    files = split_files(folder)
    for extra, path in (extras or {}).items():
        _add(files, extra, path)
    stored = list_input(storage, name)
    foreign = sorted(item for item in stored if item.startswith(f"{FRAMES_FOLDER}/") and item not in files)
    if foreign:
        raise InputError(
            f"input/{name}/ contains {len(foreign)} frames of another video, the first is {foreign[0]!r}",
            "Choose another name for this run with --name.",
        )
    return _send(files, stored, name=name, storage=storage, progress=progress)


def upload_video(
    video: Path,
    *,
    name: str,
    storage: DataStorage,
    extras: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> UploadResult:
    """Upload a video that is to be read in the cloud, and `extras`, to `input/<name>/`."""
    if not video.is_file():
        raise MissingError(f"The file {video} does not exist", "Check the path.")
    files = {ids.name_from(video.name): video}
    return upload_files(files, name=name, storage=storage, extras=extras, progress=progress)


def upload_files(
    files: Mapping[str, Path],
    *,
    name: str,
    storage: DataStorage,
    extras: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> UploadResult:
    """Upload files by name, and `extras`, to `input/<name>/`. Raises InputError if two have the same name."""
    ids.check_name(name, "run's name")
    named = dict(files)
    for extra, path in (extras or {}).items():
        _add(named, extra, path)
    return _send(named, list_input(storage, name), name=name, storage=storage, progress=progress)


def upload_extras(storage: DataStorage, name: str, extras: Mapping[str, Path]) -> UploadResult:
    """Upload files to `input/<name>/`, where a video or its frames are already."""
    return _send(extras, list_input(storage, name), name=name, storage=storage)


def _send(
    files: Mapping[str, Path],
    stored: Mapping[str, BlobInfo],
    *,
    name: str,
    storage: DataStorage,
    progress: Progress | None = None,
) -> UploadResult:
    """Upload the files that are not stored yet, concurrently, and check that all have arrived."""
    missing = {relative: path for relative, path in files.items() if not _is_same(stored.get(relative), path)}
    done = len(files) - len(missing)
    with ThreadPoolExecutor(UPLOAD_THREADS, thread_name_prefix="upload") as pool:
        for _ in pool.map(
            lambda item: storage.input.upload_file(paths.input_blob(name, item[0]), item[1]), missing.items()
        ):
            done += 1
            if progress:
                progress(done, len(files))
    check_arrived(storage, name, files)
    return UploadResult(files=len(files), sent=len(missing))


def put_trigger(storage: DataStorage, *, name: str, trigger: Trigger) -> str:
    """Write the trigger file of the run `name`; returns the run id."""
    blob = ids.check_name(name, "run's name") + ids.TRIGGER_SUFFIX
    return ids.run_id_for(blob, storage.triggers.write(blob, trigger.dumps()))


def split_files(folder: Path) -> dict[str, Path]:
    """Return the files of a split folder by blob name; raises MissingError if a frame or the audio does not exist."""
    manifest_path = folder / MANIFEST_FILE
    if not manifest_path.is_file():
        raise MissingError(f"{folder} does not contain {MANIFEST_FILE}", "Create it: impasto split VIDEO FOLDER")
    manifest = Manifest.parse_input(manifest_path.read_bytes())
    frames = map(manifest.frame_name, range(manifest.frame_count))
    files = {f"{FRAMES_FOLDER}/{frame}": folder / FRAMES_FOLDER / frame for frame in frames}
    if manifest.audio_file:
        files[manifest.audio_file] = folder / manifest.audio_file
    for path in files.values():
        if not path.is_file():
            raise MissingError(f"{path} is named in the manifest but does not exist", "Split the video again.")
    return files | {MANIFEST_FILE: manifest_path}


def list_input(storage: DataStorage, name: str) -> dict[str, BlobInfo]:
    """Return the blobs in `input/<name>/`, by relative name."""
    prefix = paths.input_blob(name, "")
    return {item.name.removeprefix(prefix): item for item in storage.input.list(prefix)}


def check_arrived(storage: DataStorage, name: str, files: Mapping[str, Path]) -> None:
    """Raise TemporaryError unless every file is stored with its size."""
    stored = list_input(storage, name)
    for relative, path in files.items():
        blob = stored.get(relative)
        if blob is None or blob.size != path.stat().st_size:
            raise TemporaryError(
                f"{relative} has not arrived completely", "Run the same command again to resume the upload."
            )


def _is_same(blob: BlobInfo | None, path: Path) -> bool:
    return blob is not None and blob.size == path.stat().st_size and blob.md5 == md5_of(path)
