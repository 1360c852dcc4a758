"""Paint a preview's rows and write its sheet: what `python -m scoring preview` does."""

import time
from collections.abc import Callable
from pathlib import Path

from frame_tools.contracts.preview import PreviewRequest, PreviewResult
from frame_tools.media.files import write_atomically
from scoring.preview.looks import LookPainter
from scoring.preview.samples import read_samples
from scoring.preview.sheet import Sheet, SheetRow, encode_sheet


def paint_preview(
    request: PreviewRequest, weights: Path, on_sheet: Callable[[int], None] = lambda _rows: None
) -> PreviewResult:
    """Write the sheet of a preview; raises InputError or MissingError for its files.

    The sheet is written when its first row is painted, and again, atomically, before each later row that takes time and
    at the end; `on_sheet` is called with the number of painted rows on it.
    """
    started = time.perf_counter()
    frames, (width, height) = read_samples(request.video, request.frames)
    rows = [SheetRow(pictures=frames, label=(request.video.name, f"{width}x{height}"))]
    rows += [SheetRow(label=row.label, caption=row.caption) for row in request.rows]
    sheet = Sheet(rows, columns=len(frames), size=(frames[0].shape[1], frames[0].shape[0]))
    painter, seconds = LookPainter(frames, (width, height), weights), []
    for number, row in enumerate(request.rows, start=1):
        look = painter.paint(row)
        seconds.append(round(look.seconds, 3))
        sheet.fill(number, look.pictures)
        following = request.rows[number : number + 1]
        if number == 1 or not following or painter.needs_painting(following[0]):
            write_atomically(request.out, encode_sheet(sheet.canvas, request.out.suffix))
            on_sheet(number)
    return PreviewResult(row_seconds=tuple(seconds), seconds=round(time.perf_counter() - started, 3))
