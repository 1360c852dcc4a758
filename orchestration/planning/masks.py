"""Where to paint: is there a mask for every frame, or a video of masks? Their pictures are read by the tasks."""

from itertools import islice
from pathlib import PurePath
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import MASK_SUFFIXES, BlobRef, PlannedMask, Request
from frame_tools.contracts.scorers import Makes
from frame_tools.storage.blobs import BlobInfo
from orchestration.app import App

_AGAIN: Final = "Upload {}, then put the trigger file again"


def check_mask(app: App, request: Request, makes: Makes) -> None:
    """Raise InputError if the mask is not there or of no use: what can be said before the frames are known."""
    mask = request.trigger.mask
    if mask is None:
        return
    if makes == "records":
        raise InputError("A run that makes records paints no pictures", "Leave the mask out")
    if _in_folder(app, request, limit=1):
        return
    if PurePath(mask).suffix.lower() in MASK_SUFFIXES:
        raise InputError(
            f"The mask {mask!r} is one picture", "Name a folder with one mask for each frame, or a video of masks"
        )
    if not app.storage.input.exists(paths.input_blob(request.folder, mask)):
        raise InputError(
            f"There is neither a folder nor a video {mask!r} in input/{request.folder}/", _AGAIN.format("it")
        )


def plan_mask(app: App, request: Request, manifest: Manifest, makes: Makes) -> PlannedMask | None:
    """Return where the masks are, None for a run without; raises InputError unless there is one for each frame."""
    mask = request.trigger.mask
    if mask is None:
        return None
    check_mask(app, request, makes)
    listed = _in_folder(app, request, limit=manifest.frame_count + 1000)
    place = paths.input_blob(request.folder, mask)
    if not listed:
        return PlannedMask(blob=BlobRef(container="input", name=place), kind="video")
    suffix = _one_for_each([item for item in listed if _suffix(item.name).lower() in MASK_SUFFIXES], manifest)
    return PlannedMask(blob=BlobRef(container="input", name=place + "/"), kind="folder", suffix=suffix)


def _in_folder(app: App, request: Request, *, limit: int) -> list[BlobInfo]:
    """Return what lies directly in the mask's folder, at most `limit` blobs."""
    prefix = paths.input_blob(request.folder, str(request.trigger.mask)) + "/"
    direct = (item for item in app.storage.input.list(prefix) if "/" not in item.name.removeprefix(prefix))
    return list(islice(direct, limit))


def _one_for_each(masks: list[BlobInfo], manifest: Manifest) -> str:
    """Return the ending that all masks share; raises InputError unless they are named as the frames are."""
    endings = sorted({_suffix(item.name) for item in masks})
    if not endings:
        raise InputError("The folder of masks holds no pictures", _AGAIN.format("masks named as the frames"))
    if len(endings) > 1:
        raise InputError(f"There are masks of two kinds, {endings[0]} and {endings[1]}", "Keep one kind in the folder")
    sizes = {PurePath(item.name).stem: item.size for item in masks}
    wanted = [PurePath(manifest.frame_name(index)).stem for index in range(manifest.frame_count)]
    if gone := [stem for stem in wanted if stem not in sizes]:
        raise InputError(
            f"Of {len(wanted)} masks {len(gone)} are missing, the first is {gone[0] + endings[0]!r}",
            _AGAIN.format("one mask for each frame, named as the frame"),
        )
    if extra := sorted(sizes.keys() - set(wanted)):
        raise InputError(
            f"There are {len(extra)} masks without a frame, the first is {extra[0] + endings[0]!r}", "Remove them"
        )
    if empty := [stem for stem in wanted if sizes[stem] == 0]:
        raise InputError(f"The mask {empty[0] + endings[0]!r} has no bytes", _AGAIN.format("it again"))
    return endings[0]


def _suffix(name: str) -> str:
    return PurePath(name).suffix
