"""Validation of masks: a folder with one mask per frame, or a mask video. Tasks decode the masks."""

from itertools import islice
from pathlib import PurePath
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.choices import Makes
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.image_files import is_image_name
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import BlobRef, PlannedMask, Request
from frame_tools.media.raster_header import is_animated
from frame_tools.storage.blobs import BlobInfo
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import pin_of
from orchestration.app import App

_HEADER_BYTES: Final = 64 * 2**10
_UPLOAD_AGAIN: Final = "Upload {}, then upload the trigger file again"


def check_mask(app: App, request: Request, makes: Makes) -> None:
    """Raise InputError if the mask is missing or unusable, as far as can be checked before the frames are known."""
    mask = request.trigger.mask
    if mask is None:
        return
    if makes == "records":
        raise InputError("A run that makes records cannot have a mask", "Remove the option mask")
    if _in_folder(app, request, limit=1):
        return
    if is_image_name(mask) and not _is_animation(app, request):
        raise InputError(
            f"The mask {mask!r} is a single image", "Name a folder with one mask per frame, or a mask video"
        )
    if not app.storage.input.exists(paths.input_blob(request.folder, mask)):
        raise InputError(
            f"input/{request.folder}/ contains neither a folder nor a video {mask!r}", _UPLOAD_AGAIN.format("it")
        )


def plan_mask(app: App, request: Request, manifest: Manifest, makes: Makes) -> PlannedMask | None:
    """Return the planned mask, or None for a run without. Raises InputError unless every frame has a mask."""
    mask = request.trigger.mask
    if mask is None:
        return None
    check_mask(app, request, makes)
    listed = _in_folder(app, request, limit=manifest.frame_count + 1000)
    location = paths.input_blob(request.folder, mask)
    if not listed:
        return PlannedMask(blob=BlobRef(container="input", name=location), kind="video")
    suffix = _check_complete([item for item in listed if is_image_name(item.name)], manifest)
    return PlannedMask(blob=BlobRef(container="input", name=location + "/"), kind="folder", suffix=suffix)


def pin_masks(storage: Storage, mask: PlannedMask | None, manifest: Manifest) -> tuple[str, ...]:
    """Return the pins of the masks: one per frame of a folder, one of a video. Raises InputError if one is gone."""
    if mask is None:
        return ()
    is_video = mask.kind == "video"
    pins = {item.name: pin_of(item) for item in storage.data_container(mask.blob.container).list(mask.blob.name)}
    indices = range(1 if is_video else manifest.frame_count)
    names = [mask.blob.name if is_video else mask.blob_for(manifest.frame_name(index)) for index in indices]
    if missing := [name for name in names if name not in pins]:
        raise InputError(f"The mask {missing[0]!r} is missing", _UPLOAD_AGAIN.format("it"))
    return tuple(pins[name] for name in names)


def _is_animation(app: App, request: Request) -> bool:
    """Return whether the mask, named like an image, is an animated WebP or PNG, which is a video."""
    mask = app.storage.input.read(paths.input_blob(request.folder, str(request.trigger.mask)), limit=_HEADER_BYTES)
    return mask is not None and is_animated(mask.data)


def _in_folder(app: App, request: Request, *, limit: int) -> list[BlobInfo]:
    """Return at most `limit` blobs that are directly in the mask folder."""
    prefix = paths.input_blob(request.folder, str(request.trigger.mask)) + "/"
    direct = (item for item in app.storage.input.list(prefix) if "/" not in item.name.removeprefix(prefix))
    return list(islice(direct, limit))


def _check_complete(masks: list[BlobInfo], manifest: Manifest) -> str:
    """Return the suffix that all masks share. Raises InputError unless they are named like the frames."""
    suffixes = sorted({_suffix(item.name) for item in masks})
    if not suffixes:
        raise InputError("The mask folder contains no images", _UPLOAD_AGAIN.format("masks named like the frames"))
    if len(suffixes) > 1:
        raise InputError(
            f"There are masks of two kinds, {suffixes[0]} and {suffixes[1]}", "Keep one kind in the folder"
        )
    suffix = suffixes[0]
    sizes = {PurePath(item.name).stem: item.size for item in masks}
    expected = [PurePath(manifest.frame_name(index)).stem for index in range(manifest.frame_count)]
    if missing := [stem for stem in expected if stem not in sizes]:
        raise InputError(
            f"{len(missing)} of {len(expected)} masks are missing, the first is {missing[0] + suffix!r}",
            _UPLOAD_AGAIN.format("one mask per frame, named like the frame"),
        )
    if extra := sorted(sizes.keys() - set(expected)):
        raise InputError(
            f"There are {len(extra)} masks without a frame, the first is {extra[0] + suffix!r}", "Delete them"
        )
    if empty := [stem for stem in expected if sizes[stem] == 0]:
        raise InputError(f"The mask {empty[0] + suffix!r} is empty", _UPLOAD_AGAIN.format("it again"))
    return suffix


def _suffix(name: str) -> str:
    return PurePath(name).suffix
