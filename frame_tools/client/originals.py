"""The original of a painted video, split into frames: of a video on this machine, or of a run's input in storage."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from frame_tools.client.download import download_file
from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.split_options import SplitOptions
from frame_tools.contracts.trigger import Trigger
from frame_tools.media.frame_folder import FRAMES_FOLDER
from frame_tools.media.split import split
from frame_tools.storage.deployment import DataStorage

DOWNLOAD_THREADS: Final = 16
_NUMBER: Final = re.compile(r"[0-9]{1,10}$")


@dataclass(frozen=True, kw_only=True)
class SplitVideo:
    """A split video: the folder of its frames, and its manifest."""

    folder: Path
    manifest: Manifest


def split_original(video: Path, options: SplitOptions, scratch: Path) -> SplitVideo:
    """Split a video on this machine into `scratch`."""
    folder = scratch / "original"
    return SplitVideo(folder=folder, manifest=split(video, folder, options))


def fetch_original(storage: DataStorage, report: Mapping[str, Any], painted: Path, scratch: Path) -> SplitVideo:
    """Download the input of a finished run into `scratch`, in the form of a split video.

    A run of frames gets the times and the sound of its painted video. Raises MissingError if the input is gone,
    InputError if it has another number of frames than the painted video.
    """
    trigger = Trigger.model_validate(report["options"])
    folder = trigger.input or str(report["name"])
    if trigger.video:
        video = scratch / trigger.video
        _download(storage, paths.input_blob(folder, trigger.video), video)
        return split_original(video, trigger.split_options, scratch)
    original = split_original(painted, SplitOptions(), scratch)
    names = _frame_blobs(storage, paths.input_blob(folder, f"{trigger.frames_folder}/"))
    if len(names) != original.manifest.frame_count:
        raise InputError(
            f"input/{folder}/{trigger.frames_folder} has {len(names)} frames, the painted video"
            f" {original.manifest.frame_count}",
            "Leave out --compare, or paint the frames again.",
        )
    targets = [original.folder / FRAMES_FOLDER / original.manifest.frame_name(index) for index in range(len(names))]
    with ThreadPoolExecutor(DOWNLOAD_THREADS, thread_name_prefix="download") as pool:
        list(pool.map(lambda pair: _download(storage, *pair), zip(names, targets, strict=True)))
    return original


def _frame_blobs(storage: DataStorage, prefix: str) -> list[str]:
    """Return the frames below a prefix in the order of their numbers."""
    names = (item.name for item in storage.input.list(prefix))
    numbered = [(int(match[0]), name) for name in names if (match := _NUMBER.search(PurePosixPath(name).stem))]
    return [name for _, name in sorted(numbered)]


def _download(storage: DataStorage, blob: str, target: Path) -> None:
    if not download_file(storage.input, blob, target):
        raise MissingError(f"{paths.INPUT}/{blob} does not exist any more", "Leave out --compare.")
