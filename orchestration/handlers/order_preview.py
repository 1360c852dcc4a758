"""Handler of POST /api/previews: check the files, store the order, and have it painted. Safe to call repeatedly."""

from frame_tools.contracts import paths
from frame_tools.contracts.errors import InputError
from frame_tools.contracts.preview_call import OrderPreview, PreviewAnswer
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import MAX_CLIP_BYTES, OrderedFile, PreviewOrder
from frame_tools.contracts.scorers import SCORERS
from frame_tools.storage.blobs import BlobInfo
from orchestration.app import App
from orchestration.memory_budget import plan_bytes
from orchestration.planning.style_validation import inspect_style
from orchestration.previews.answer import preview_answer
from orchestration.previews.scheduling import begin_attempt, need_state, settle, submit

SCORER = SCORERS["any"]


def order_preview(app: App, call: OrderPreview) -> PreviewAnswer:
    """Order a preview and return it; the same versions of the same files in the same looks are the same preview.

    One that is finished is returned as it is, one that has failed is tried again. Raises InputError if a file is
    missing, too large or no painting, TemporaryError if as many previews as possible are being painted already.
    """
    order = _order(app, call)
    preview_id = order.preview_id
    app.storage.runs.create(PreviewPaths(preview_id).order, order.dumps())
    state = need_state(app, preview_id)
    if state.result is None:
        if not state.attempt or settle(app, state).status == "failed":
            state = begin_attempt(app, state)
        submit(app, state)
    return preview_answer(app, preview_id)


def _order(app: App, call: OrderPreview) -> PreviewOrder:
    """Return the order with the versions of the files; raises InputError."""
    clip = _need(app, call.input, call.clip)
    if clip.size > MAX_CLIP_BYTES:
        raise InputError(
            f"The clip {call.clip!r} has {_megabytes(clip.size)}; the limit for a preview is"
            f" {_megabytes(MAX_CLIP_BYTES)}",
            "Try it on your own machine with `impasto preview`, or upload a part of the clip",
        )
    return PreviewOrder(
        clip=_ordered(clip),
        paintings=tuple(_painting(app, call.input, name) for name in call.paintings),
        strengths=call.strengths,
        strokes=call.strokes,
        preserve_color=call.preserve_color,
        frames=call.frames,
    )


def _painting(app: App, folder: str, name: str) -> OrderedFile:
    info, limit = _need(app, folder, name), app.settings.max_style_bytes
    if info.size > limit:
        raise InputError(
            f"The painting {name!r} has {_megabytes(info.size)}; the limit for a painting is {_megabytes(limit)}",
            "Save it as JPEG and upload it again",
        )
    with app.memory.hold(plan_bytes(limit)):
        blob = app.storage.input.read(info.name, limit=limit)
        if blob is None or blob.etag != info.etag:
            raise InputError(f"The painting {name!r} was replaced a moment ago", "Order the preview again")
        inspect_style(name, blob.data, SCORER)
    return _ordered(info)


def _need(app: App, folder: str, name: str) -> BlobInfo:
    blob = paths.input_blob(folder, name)
    info = app.storage.input.info(blob)
    if info is None:
        raise InputError(
            f"The file {name!r} is not in input/{folder}/", "Upload it first: POST /api/uploads says where"
        )
    return info


def _ordered(info: BlobInfo) -> OrderedFile:
    return OrderedFile(blob=info.name, etag=info.etag)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
