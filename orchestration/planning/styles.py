"""The styles of a run: each file checked and kept as the run's own copy, and how they change with time."""

from collections.abc import Callable

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle, Request
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger, shares
from frame_tools.storage.blobs import Blob, sha256_of
from orchestration.app import App
from orchestration.planning.style_validation import look_at

Read = Callable[[str], Blob | None]
"""Gives a style file by its name; of one that is too large, its beginning and one byte more than the limit."""


def plan_styles(app: App, request: Request, *, earlier: Plan | None = None) -> tuple[PlannedStyle, ...]:
    """Check the style files and copy them; empty for a scorer that takes none. Raises InputError in words.

    `earlier` is the plan of a run whose input is used again: of the files that it has copies of, those are taken.
    """
    if not SCORERS[request.trigger.scorer].needs_style:
        return ()
    read = _reader(app, request, earlier)
    return tuple(_plan_style(app, request, name, read(name)) for name in request.trigger.style_files)


def plan_keys(trigger: Trigger, styles: tuple[PlannedStyle, ...]) -> tuple[PlannedKeyframe, ...]:
    """Return the styles' weights over time, one for each of `styles`."""
    if not styles:
        return ()
    mixes = [(key.at, shares(key.style)) for key in trigger.keys]
    return tuple(
        PlannedKeyframe(at=at, weights=tuple(mix.get(style.name, 0.0) for style in styles)) for at, mix in mixes
    )


def check_keys(trigger: Trigger, manifest: Manifest) -> None:
    """Raise InputError for a style that would come after the video's end."""
    late = [key.at for key in trigger.key_styles if key.at > manifest.duration]
    if late:
        raise InputError(
            f"key_styles names the second {late[0]:g}, the video is {float(manifest.duration):.3f} seconds long",
            "Name seconds inside the video, then put the trigger file again",
        )


def _reader(app: App, request: Request, earlier: Plan | None) -> Read:
    limit = app.settings.max_style_bytes
    copies = {style.name: style.blob for style in earlier.styles} if earlier else {}

    def read(name: str) -> Blob | None:
        if name in copies:
            return app.storage.data_container(copies[name].container).read(copies[name].name, limit=limit)
        return app.storage.input.read(paths.input_blob(request.folder, name), limit=limit)

    return read


def _plan_style(app: App, request: Request, name: str, blob: Blob | None) -> PlannedStyle:
    limit = app.settings.max_style_bytes
    if blob is None:
        raise InputError(
            f"The style {name!r} is not in input/{request.folder}/", "Upload it, then put the trigger file again"
        )
    if len(blob.data) > limit:
        raise InputError(f"The style {name!r} has more than {limit} bytes", "Scale it down: 1024 pixels are plenty")
    looked = look_at(name, blob.data, SCORERS[request.trigger.scorer])
    if (looked.width or 0) * (looked.height or 0) > app.settings.max_frame_pixels:
        raise InputError(
            f"The style {name!r} has {looked.width}x{looked.height} pixels", "Scale it down: 1024 pixels are plenty"
        )
    digest = sha256_of(blob.data)
    copy = RunPaths(request.run_id).style_copy(digest)
    app.storage.work.create(copy, blob.data)
    return PlannedStyle(
        name=name,
        blob=BlobRef(container="work", name=copy),
        sha256=digest,
        kind=looked.kind,
        width=looked.width,
        height=looked.height,
    )
