"""Bring a split video, styles and masks into the container `input`: concurrent, resumable, the trigger file last.

What is there already with the same MD5 is not sent again. The trigger file goes up only when a listing shows that
everything has arrived: a trigger without its frames would only be refused.
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
from frame_tools.storage.blobs import BlobInfo, md5_of
from frame_tools.storage.deployment import DataStorage

UPLOADERS: Final = 16
Progress = Callable[[int, int], None]
"""Called with (done, of)."""


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """What an upload did."""

    files: int
    sent: int
    """Files that were not there yet."""


def extra_files(styles: Sequence[Path] = (), mask: Path | None = None) -> dict[str, Path]:
    """Return what goes along with a video, blob name → path: style files, and a mask's video or folder of pictures.

    Raises MissingError for a file that is not there, InputError for two of one name.
    """
    files: dict[str, Path] = {}
    for style in styles:
        if not style.is_file():
            raise MissingError(f"There is no style {style}", "Give the path of a painting, or of a tuned style")
        _add(files, ids.name_from(style.name), style)
    if mask is not None and mask.is_dir():
        folder = ids.name_from(mask.name)
        if folder == "frames":
            raise InputError("The folder of masks is called frames, as the frames' own is", "Call it masks")
        for path in sorted(mask.iterdir()):
            if path.is_file():
                _add(files, f"{folder}/{ids.check_name(path.name, 'mask')}", path)
    elif mask is not None:
        if not mask.is_file():
            raise MissingError(f"There is no mask {mask}", "Give a folder of masks, or a video of masks")
        _add(files, ids.name_from(mask.name), mask)
    return files


def _add(files: dict[str, Path], name: str, path: Path) -> None:
    if files.setdefault(name, path) != path:
        raise InputError(f"{files[name]} and {path} would both be called {name!r}", "Rename one of them")


def upload(
    folder: Path,
    *,
    name: str,
    storage: DataStorage,
    extras: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> Uploaded:
    """Bring the split video in `folder`, and what `extra_files` says goes along, to `input/<name>/`.

    Raises MissingError if the folder is not a whole split, TemporaryError if something did not arrive.
    """
    ids.check_name(name, "run's name")
    files = split_files(folder)
    for extra, path in (extras or {}).items():
        _add(files, extra, path)
    there = listing(storage, name)
    if strays := sorted(other for other in there if other.startswith("frames/") and other not in files):
        raise InputError(
            f"input/{name}/ holds {len(strays)} frames of another video, the first is {strays[0]!r}",
            "Give this run another --name",
        )
    missing = {relative: path for relative, path in files.items() if not _same(there.get(relative), path)}
    done = len(files) - len(missing)
    with ThreadPoolExecutor(UPLOADERS, thread_name_prefix="upload") as pool:
        sending = pool.map(
            lambda item: storage.input.upload_file(paths.input_blob(name, item[0]), item[1]), missing.items()
        )
        for _ in sending:
            done += 1
            if progress:
                progress(done, len(files))
    check_arrived(storage, name, files)
    return Uploaded(files=len(files), sent=len(missing))


def upload_video(video: Path, *, name: str, storage: DataStorage, extras: Mapping[str, Path] | None = None) -> Uploaded:
    """Bring a whole video, to be split in the cloud, and what goes along, to `input/<name>/`."""
    if not video.is_file():
        raise MissingError(f"There is no file {video}", "Give the path of a file")
    files = {ids.name_from(video.name): video}
    for extra, path in (extras or {}).items():
        _add(files, extra, path)
    there = listing(storage, name)
    missing = {relative: path for relative, path in files.items() if not _same(there.get(relative), path)}
    for relative, path in missing.items():
        storage.input.upload_file(paths.input_blob(name, relative), path)
    check_arrived(storage, name, files)
    return Uploaded(files=len(files), sent=len(missing))


def put_trigger(storage: DataStorage, *, name: str, trigger: Trigger) -> str:
    """Put the trigger file of the run `name`; returns the run's id."""
    blob = ids.check_name(name, "run's name") + ids.TRIGGER_SUFFIX
    return ids.run_id_for(blob, storage.triggers.write(blob, trigger.dumps()))


def split_files(folder: Path) -> dict[str, Path]:
    """Return what a split folder holds, blob name → path; raises MissingError if a frame or the sound is not there."""
    manifest_path = folder / "manifest.json"
    if not manifest_path.is_file():
        raise MissingError(f"There is no manifest.json in {folder}", "Run: python -m frame_tools split VIDEO FOLDER")
    manifest = Manifest.parse_input(manifest_path.read_bytes())
    wanted = {f"frames/{n}": folder / "frames" / n for n in map(manifest.frame_name, range(manifest.frame_count))}
    if manifest.audio_file:
        wanted[manifest.audio_file] = folder / manifest.audio_file
    for path in wanted.values():
        if not path.is_file():
            raise MissingError(f"{path} is not there though the manifest names it", "Split the video again")
    return wanted | {"manifest.json": manifest_path}


def listing(storage: DataStorage, name: str) -> dict[str, BlobInfo]:
    """Return what lies in `input/<name>/`, by relative name."""
    prefix = paths.input_blob(name, "")
    return {item.name.removeprefix(prefix): item for item in storage.input.list(prefix)}


def check_arrived(storage: DataStorage, name: str, files: dict[str, Path]) -> None:
    """Raise TemporaryError unless every file is there with its size."""
    there = listing(storage, name)
    for relative, path in files.items():
        found = there.get(relative)
        if found is None or found.size != path.stat().st_size:
            raise TemporaryError(
                f"{relative} has not arrived whole", "Run the same command again; it goes on from here"
            )


def _same(found: BlobInfo | None, path: Path) -> bool:
    return found is not None and found.size == path.stat().st_size and found.md5 == md5_of(path)
