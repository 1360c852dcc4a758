"""The sheet of a preview: the frames in the first row, then one row for each look, with its text."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from scoring.types import Picture

CELL_WIDTH: Final = 400
LABEL_WIDTH: Final = 280
GAP: Final = 10
CAPTION_HEIGHT: Final = 26
TITLE_SIZE: Final = 20
TEXT_SIZE: Final = 15
QUALITY: Final = 90
"""JPEG quality."""
_BACKGROUND: Final = "#ffffff"
_TITLE: Final = "#111111"
_TEXT: Final = "#444444"


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """Pictures of one shape, the lines beside them (the first is the title) and the line under them."""

    pictures: Sequence[Picture]
    label: Sequence[str]
    caption: str = ""


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Return the sheet; all pictures have the same shape, and are drawn at the same size."""
    height, width = rows[0].pictures[0].shape[:2]
    cell = (CELL_WIDTH, max(1, round(height * CELL_WIDTH / width)))
    row_height = cell[1] + CAPTION_HEIGHT + GAP
    columns = max(len(row.pictures) for row in rows)
    size = (LABEL_WIDTH + columns * (CELL_WIDTH + GAP) + GAP, len(rows) * row_height + GAP)
    canvas = Image.new("RGB", size, _BACKGROUND)
    for number, row in enumerate(rows):
        _draw_row(canvas, row, top=GAP + number * row_height, cell=cell)
    return canvas


def encode_sheet(canvas: Image.Image, suffix: str) -> bytes:
    """Return the sheet as a PNG or JPEG file, by the suffix of its name."""
    out = io.BytesIO()
    if suffix.lower() == ".png":
        canvas.save(out, "PNG", compress_level=6)
    else:
        canvas.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _draw_row(canvas: Image.Image, row: SheetRow, *, top: int, cell: tuple[int, int]) -> None:
    draw = ImageDraw.Draw(canvas)
    y = top
    for number, line in enumerate(row.label):
        font_size = TITLE_SIZE if number == 0 else TEXT_SIZE
        font = ImageFont.load_default(font_size)
        draw.text((GAP, y), _shortened(draw, line, font, LABEL_WIDTH - 2 * GAP), _TEXT if number else _TITLE, font)
        y += round(font_size * 1.4)
    left = LABEL_WIDTH
    for picture in row.pictures:
        canvas.paste(Image.fromarray(picture).resize(cell, Image.Resampling.LANCZOS), (left, top))
        left += CELL_WIDTH + GAP
    font = ImageFont.load_default(TEXT_SIZE)
    caption = _shortened(draw, row.caption, font, canvas.width - LABEL_WIDTH - GAP)
    draw.text((LABEL_WIDTH, top + cell[1] + 4), caption, _TEXT, font)


def _shortened(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int
) -> str:
    """Return the text, with its middle replaced by "..." if it is wider than `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = kept - kept // 2
        candidate = f"{text[:head]}...{text[len(text) - kept // 2 :]}"
        if draw.textlength(candidate, font) <= width:
            return candidate
    return "..."
