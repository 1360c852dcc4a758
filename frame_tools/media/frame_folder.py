"""The folder that splitting fills: what is in it, when it is whole, and what of an earlier split has to go."""

import re
from pathlib import Path
from typing import Final

from frame_tools.contracts import manifest as manifests
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest

FRAMES_FOLDER: Final = "frames"
MANIFEST_FILE: Final = "manifest.json"
_OUR_NAMES: Final = re.compile(r"[0-9]{6,7}\.(jpg|png)|\.[0-9]{6,7}\.(jpg|png)\.part")


def load_complete_manifest(folder: Path) -> Manifest | None:
    """Return the folder's manifest if everything that it names is there."""
    try:
        manifest = manifests.loads((folder / MANIFEST_FILE).read_bytes())
    except (FileNotFoundError, InputError):
        return None
    names = [f"{FRAMES_FOLDER}/{manifest.frame_name(index)}" for index in range(manifest.frame_count)]
    if manifest.audio_file:
        names.append(manifest.audio_file)
    whole = all((folder / name).is_file() and (folder / name).stat().st_size > 0 for name in names)
    return manifest if whole else None


def prepare_folder(folder: Path) -> None:
    """Make the folder, and remove what an earlier split left there; InputError if there are files of others."""
    frames = folder / FRAMES_FOLDER
    frames.mkdir(parents=True, exist_ok=True)
    stale = list(frames.iterdir())
    for path in stale:
        if not _OUR_NAMES.fullmatch(path.name):
            raise InputError(f"{frames} holds a file that is no frame: {path.name}", "Give an empty folder.")
    # The manifest goes first: a folder is never whole and old.
    for path in [folder / MANIFEST_FILE, folder / "audio.mp4", folder / "audio.mka", *stale]:
        path.unlink(missing_ok=True)
