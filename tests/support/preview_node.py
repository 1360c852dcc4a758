"""A fake node for previews: a task without torch that writes pictures, result and errors as `scoring` does."""

import functools
import io

from PIL import Image, ImageDraw

from frame_tools.contracts.errors import ErrorCode, NextStep
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import PreviewError, PreviewOrder, PreviewResult
from frame_tools.storage.deployment import Storage

CLIP_FRAMES = 248


@functools.cache
def picture(red: int, green: int, blue: int) -> bytes:
    image = Image.new("RGB", (160, 90), (red, green, blue))
    ImageDraw.Draw(image).ellipse((50, 15, 110, 75), fill=(255 - red, 255 - green, 255 - blue))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


def read_order(storage: Storage, preview_id: str) -> PreviewOrder:
    return PreviewOrder.load_stored(storage.runs.need(PreviewPaths(preview_id).order).data)


def paint_looks(storage: Storage, preview_id: str, first: int = 0, count: int = 1000) -> None:
    """Write the pictures of some looks, in the order in which a task paints them."""
    names, order = PreviewPaths(preview_id), read_order(storage, preview_id)
    for frame in range(order.frames):
        storage.work.write(names.original(frame), picture(90, 110, 130))
        for number in range(first, min(first + count, len(order.looks))):
            look = order.looks[number]
            color = (40 + 60 * look.painting, round(200 * look.strength), 40 + 30 * len(look.strokes))
            storage.work.write(names.cell(number, frame), picture(*color))


def finish_preview(storage: Storage, preview_id: str, *, frames: int | None = None) -> None:
    """Write all pictures and the result."""
    paint_looks(storage, preview_id)
    order = read_order(storage, preview_id)
    result = PreviewResult(
        frames=frames or order.frames,
        clip_frames=CLIP_FRAMES,
        width=640,
        height=360,
        look_seconds=(0.25,) * len(order.looks),
        seconds=6.4,
        device="cpu",
    )
    storage.work.write(PreviewPaths(preview_id).result, result.dumps())


def fail_preview(storage: Storage, preview_id: str, *, attempt: int = 1, permanent: bool = True) -> None:
    """Record the error of a task."""
    error = PreviewError(
        attempt=attempt,
        reason="holiday.mp4 contains no frames",
        remedy="Upload another clip",
        code=ErrorCode.INVALID_INPUT,
        next_step=NextStep.FIX_INPUT,
        permanent=permanent,
    )
    storage.work.write(PreviewPaths(preview_id).error, error.dumps())
