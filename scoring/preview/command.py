"""Paint a preview's rows and write its sheet: what `python -m scoring preview` does."""

import time
from pathlib import Path
from typing import Final

import numpy as np

from frame_tools.contracts.preview import PreviewRequest, PreviewResult
from frame_tools.media.files import write_atomically
from frame_tools.media.frame_samples import sample_images
from scoring.postprocess.resize import to_working_size
from scoring.preview.looks import LookPainter
from scoring.preview.sheet import SheetRow, draw_sheet, encode_sheet
from scoring.types import Picture

SHOWN_LINES: Final = 540
"""Shorter side of the pictures that are blended; the sheet shows them smaller still."""


def paint_preview(request: PreviewRequest, weights: Path) -> PreviewResult:
    """Write the sheet of a preview; raises InputError or MissingError for its files."""
    started = time.perf_counter()
    images = [np.asarray(image, np.uint8) for image in sample_images(request.video, request.frames)]
    height, width = images[0].shape[:2]
    frames = [_shown(image) for image in images]
    painter = LookPainter(frames, (width, height), weights)
    looks = [painter.paint(row) for row in request.rows]
    rows = [SheetRow(pictures=frames, label=(request.video.name, f"{width}x{height}"))]
    rows += [
        SheetRow(pictures=look.pictures, label=row.label, caption=row.caption)
        for look, row in zip(looks, request.rows, strict=True)
    ]
    write_atomically(request.out, encode_sheet(draw_sheet(rows), request.out.suffix))
    return PreviewResult(
        row_seconds=tuple(round(look.seconds, 3) for look in looks), seconds=round(time.perf_counter() - started, 3)
    )


def _shown(picture: Picture) -> Picture:
    """Return the picture at no more than 540 lines."""
    height, width = picture.shape[:2]
    factor = min(1.0, SHOWN_LINES / min(height, width))
    return to_working_size(picture, (max(1, round(width * factor)), max(1, round(height * factor))))
