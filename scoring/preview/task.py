"""The Batch task of a preview: paint an order look by look, and write each picture as soon as it is painted.

It reads the order, which only the app writes, and the uploaded files; it writes pictures, its error and its result to
the preview's folder of `work` and nothing else. Each write repeats the same bytes on another try. An InputError is
permanent: it is recorded, so that Batch's retry ends at once.
"""

import io
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from azure.core.exceptions import AzureError
from PIL import Image

from frame_tools.cli.errors import to_impasto_error
from frame_tools.contracts.errors import (
    DamagedError,
    ErrorCode,
    ImpastoError,
    InputError,
    MissingError,
    NextStep,
    VersionSkewError,
)
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview import PreviewRow, PreviewStyle
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.contracts.preview_task import (
    Look,
    OrderedFile,
    PreviewError,
    PreviewOrder,
    PreviewResult,
)
from frame_tools.costs.estimate import probe_video
from frame_tools.storage.deployment import Storage
from scoring.preview.looks import LookPainter
from scoring.preview.samples import read_samples
from scoring.types import Picture

_log = logging.getLogger(__name__)
CELL_WIDTH: Final = 640
QUALITY: Final = 85
"""JPEG quality."""
MAX_EXCEPTION_TEXT: Final = 300
MAX_FILE_NAME_BYTES: Final = 200


@dataclass(frozen=True, kw_only=True)
class PreviewTask:
    """An attempt at a preview, and the storage that it uses."""

    storage: Storage
    preview_id: str
    attempt: int

    @property
    def paths(self) -> PreviewPaths:
        """The names of the preview's blobs."""
        return PreviewPaths(self.preview_id)


def perform_preview(task: PreviewTask, weights: Path, *, started: float) -> None:
    """Paint the preview unless it is done or the attempt has ended; `started` is on the clock of time.monotonic().

    Raises what painting raises; the last error is recorded for the app.
    """
    if task.storage.work.exists(task.paths.result) or task.storage.runs.exists(task.paths.ending(task.attempt)):
        _log.info("The preview has ended; there is nothing to do")
        return
    if (recorded := _permanent_error(task)) is not None:
        raise InputError(recorded.reason, recorded.remedy, code=recorded.code, next_step=recorded.next_step)
    try:
        _paint(task, weights, started)
    except Exception as error:  # whatever it is, the preview says why it failed
        _record(task, error)
        raise


def _paint(task: PreviewTask, weights: Path, started: float) -> None:
    order = PreviewOrder.load_stored(task.storage.runs.need(task.paths.order).data)
    with tempfile.TemporaryDirectory(prefix="impasto-") as scratch:
        clip = _download(task, order.clip, Path(scratch) / "clip")
        frames, size = read_samples(clip, order.frames)
        for number, picture in enumerate(frames):
            task.storage.work.write(task.paths.original(number), encode_cell(picture))
        paintings = [
            _download(task, painting, Path(scratch) / f"painting{number}")
            for number, painting in enumerate(order.paintings)
        ]
        painter, seconds = LookPainter(frames, size, weights), []
        for number, look in enumerate(order.looks):
            painted = painter.paint(_row(order, look, paintings[look.painting]))
            for frame, picture in enumerate(painted.pictures):
                task.storage.work.write(task.paths.cell(number, frame), encode_cell(picture))
            seconds.append(round(painted.seconds, 4))
        result = PreviewResult(
            frames=len(frames),
            clip_frames=_count_frames(clip),
            width=size[0],
            height=size[1],
            look_seconds=tuple(seconds),
            seconds=round(time.monotonic() - started, 3),
            device=painter.device,
        )
    task.storage.work.write(task.paths.result, result.dumps())
    _log.info("Painted %d looks in %.1f s", len(seconds), result.seconds)


def encode_cell(picture: Picture) -> bytes:
    """Encode a picture as JPEG, at most 640 pixels wide."""
    image = Image.fromarray(picture)
    image.thumbnail((CELL_WIDTH, 2 * CELL_WIDTH), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _row(order: PreviewOrder, look: Look, painting: Path) -> PreviewRow:
    options = Options(strength=look.strength, strokes=look.strokes, preserve_color=order.preserve_color)
    return PreviewRow(options=options, styles=(PreviewStyle(path=painting, weight=1.0),), label=(), caption="")


def _download(task: PreviewTask, file: OrderedFile, folder: Path) -> Path:
    """Copy a file in the ordered version to a new folder; raises InputError if it is gone or was replaced."""
    folder.mkdir()
    # Messages contain the name of the file; a file system allows 255 bytes.
    path = folder / (file.name if len(file.name.encode()) < MAX_FILE_NAME_BYTES else folder.name)
    _check_version(task, file)  # another file may be larger than the disk
    with path.open("wb") as opened:
        task.storage.input.download_to(file.blob, opened)
    _check_version(task, file)
    return path


def _check_version(task: PreviewTask, file: OrderedFile) -> None:
    """Raise InputError if a file is gone or was replaced since the order."""
    info = task.storage.input.info(file.blob)
    if info is None:
        raise InputError(f"The file {file.name!r} is gone", "Upload it again, and order the preview again")
    if info.etag != file.etag:
        raise InputError(
            f"The file {file.name!r} was replaced after the preview was ordered",
            "Order the preview again",
            code=ErrorCode.INPUT_CHANGED,
        )


def _count_frames(clip: Path) -> int:
    """Return the number of frames of the whole clip; 0 if its header does not say."""
    try:
        return probe_video(clip).frames
    except InputError:
        return 0


def _permanent_error(task: PreviewTask) -> PreviewError | None:
    blob = task.storage.work.read(task.paths.error, limit=PreviewError.max_bytes)
    try:
        recorded = PreviewError.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None
    return recorded if recorded is not None and recorded.permanent and recorded.attempt == task.attempt else None


def _record(task: PreviewTask, error: Exception) -> None:
    """Record an error of this attempt, replacing an earlier one. Storage errors must not hide it."""
    cause = to_impasto_error(error)
    recorded = PreviewError(
        attempt=task.attempt,
        reason=cause.what if cause else f"{type(error).__name__}: {' '.join(str(error).split())}"[:MAX_EXCEPTION_TEXT],
        remedy=cause.remedy if cause else "This is a bug in the program: report it with its traceback",
        code=cause.code if cause else ErrorCode.UNHANDLED_EXCEPTION,
        next_step=cause.next_step if cause else NextStep.REPORT_BUG,
        permanent=isinstance(cause, InputError | MissingError),
    )
    try:
        task.storage.work.write(task.paths.error, recorded.dumps())
    except (AzureError, ImpastoError) as storage_error:
        _log.warning("The error could not be recorded: %s", storage_error)
