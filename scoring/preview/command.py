"""Paint a preview's rows and write its sheet: what `python -m scoring preview` does."""

import time
from pathlib import Path

from frame_tools.contracts.preview import PreviewRequest, PreviewResult
from frame_tools.media.files import write_atomically
from scoring.preview.looks import LookPainter
from scoring.preview.samples import read_samples
from scoring.preview.sheet import SheetRow, draw_sheet, encode_sheet


def paint_preview(request: PreviewRequest, weights: Path) -> PreviewResult:
    """Write the sheet of a preview; raises InputError or MissingError for its files."""
    started = time.perf_counter()
    frames, (width, height) = read_samples(request.video, request.frames)
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
