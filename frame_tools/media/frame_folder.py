"""The output folder of a split: its layout, whether it is complete, and cleaning up an earlier split."""

import re
from pathlib import Path
from typing import Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest

FRAMES_FOLDER: Final = "frames"
MANIFEST_FILE: Final = "manifest.json"
_FRAME_FILE: Final = re.compile(r"[0-9]{6,7}\.(jpg|png)|\.[0-9]{6,7}\.(jpg|png)\.part")


def load_complete_manifest(folder: Path) -> Manifest | None:
    """Return the folder's manifest if every file that it names exists and is not empty, else None.

    A manifest with an index names no frames.
    """
    try:
        manifest = Manifest.parse_input((folder / MANIFEST_FILE).read_bytes())
    except (FileNotFoundError, InputError):
        return None
    stored = range(manifest.frame_count if manifest.index is None else 0)
    names = [f"{FRAMES_FOLDER}/{manifest.frame_name(index)}" for index in stored]
    if manifest.audio_file:
        names.append(manifest.audio_file)
    is_complete = all((folder / name).is_file() and (folder / name).stat().st_size > 0 for name in names)
    return manifest if is_complete else None


def prepare_folder(folder: Path) -> None:
    """Create the folder and remove the files of an earlier split.

    Raises InputError if the folder of frames holds a file that no split wrote.
    """
    frames = folder / FRAMES_FOLDER
    frames.mkdir(parents=True, exist_ok=True)
    stale = list(frames.iterdir())
    for path in stale:
        if not _FRAME_FILE.fullmatch(path.name):
            raise InputError(f"{frames} contains a file that is not a frame: {path.name}", "Use an empty folder.")
    # The manifest goes first, so that a folder with old frames is never taken for a complete one.
    for path in [folder / MANIFEST_FILE, folder / "audio.mp4", folder / "audio.mka", *stale]:
        path.unlink(missing_ok=True)
