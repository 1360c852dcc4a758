"""The styles of a run: each file is validated and copied for the run; keyframes say how styles change over time."""

from collections.abc import Callable
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import BlobRef, Plan, PlannedKeyframe, PlannedStyle, Request
from frame_tools.contracts.scorers import SCORERS
from frame_tools.contracts.trigger import Trigger
from frame_tools.contracts.trigger_values import normalized_weights
from frame_tools.storage.blobs import Blob, sha256_of
from orchestration.app import App
from orchestration.planning.style_validation import inspect_style

StyleReader = Callable[[str], Blob | None]
"""Returns a style file by name; of a file over the size limit, the first limit + 1 bytes."""
_SCALE_DOWN: Final = "Scale it down: 1024 pixels are sufficient"


def plan_styles(app: App, request: Request, *, earlier: Plan | None = None) -> tuple[PlannedStyle, ...]:
    """Validate and copy the style files; return an empty tuple for a scorer without styles. Raises InputError.

    `earlier` is the plan of a run whose input is reused: files that it has copied are read from those copies, or from
    `input` if the copies are gone.
    """
    if not SCORERS[request.trigger.scorer].needs_style:
        return ()
    read = _reader(app, request, earlier)
    return tuple(_plan_style(app, request, name, read(name)) for name in request.trigger.style_files)


def plan_keyframes(trigger: Trigger, styles: tuple[PlannedStyle, ...]) -> tuple[PlannedKeyframe, ...]:
    """Return the keyframes, each with one weight per style in `styles`."""
    if not styles:
        return ()
    keyframes = [(keyframe.at, normalized_weights(keyframe.style)) for keyframe in trigger.keyframes]
    return tuple(
        PlannedKeyframe(at=at, weights=tuple(weights.get(style.name, 0.0) for style in styles))
        for at, weights in keyframes
    )


def check_keyframes(trigger: Trigger, manifest: Manifest) -> None:
    """Raise InputError if a keyframe is after the video's end."""
    late = [keyframe.at for keyframe in trigger.key_styles if keyframe.at > manifest.duration]
    if late:
        raise InputError(
            f"key_styles has a keyframe at {late[0]:g} s, but the video is {float(manifest.duration):.3f} s long",
            "Use times within the video, then upload the trigger file again",
        )


def _reader(app: App, request: Request, earlier: Plan | None) -> StyleReader:
    limit = app.settings.max_style_bytes
    copies = {style.name: style.blob for style in earlier.styles} if earlier else {}
    hashes = {style.name: style.sha256 for style in earlier.styles} if earlier else {}

    def read(name: str) -> Blob | None:
        copy = copies.get(name)
        blob = app.storage.data_container(copy.container).read(copy.name, limit=limit) if copy else None
        if blob is not None:
            return blob
        blob = app.storage.input.read(paths.input_blob(request.folder, name), limit=limit)
        if blob is not None and name in hashes and sha256_of(blob.data) != hashes[name]:
            raise InputError(
                f"The style {name!r} has been replaced since the run {request.parent}",
                "Upload the trigger file again to start a new run",
            )
        return blob

    return read


def _plan_style(app: App, request: Request, name: str, blob: Blob | None) -> PlannedStyle:
    limit = app.settings.max_style_bytes
    if blob is None:
        raise InputError(
            f"The style {name!r} is not in input/{request.folder}/", "Upload it, then upload the trigger file again"
        )
    if len(blob.data) > limit:
        raise InputError(f"The style {name!r} has more than {limit} bytes", _SCALE_DOWN)
    style = inspect_style(name, blob.data, SCORERS[request.trigger.scorer])
    if (style.width or 0) * (style.height or 0) > app.settings.max_frame_pixels:
        raise InputError(f"The style {name!r} has {style.width}x{style.height} pixels", _SCALE_DOWN)
    digest = sha256_of(blob.data)
    copy = RunPaths(request.run_id).style_copy(digest)
    app.storage.work.create(copy, blob.data)
    return PlannedStyle(
        name=name,
        blob=BlobRef(container="work", name=copy),
        sha256=digest,
        kind=style.kind,
        width=style.width,
        height=style.height,
    )
