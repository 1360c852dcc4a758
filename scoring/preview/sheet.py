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
_EMPTY: Final = "#eeeeee"
"""Color of a cell that is not painted yet."""


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """The lines beside a row (the first is the title), the line under it, and its pictures, if they exist already."""

    label: Sequence[str]
    caption: str = ""
    pictures: Sequence[Picture] = ()


def draw_sheet(rows: Sequence[SheetRow]) -> Image.Image:
    """Return the sheet; all pictures have the same shape, and are drawn at the same size."""
    height, width = rows[0].pictures[0].shape[:2]
    return Sheet(rows, columns=max(len(row.pictures) for row in rows), size=(width, height)).canvas


class Sheet:
    """A sheet that is filled row by row; rows that have no pictures yet show their labels and empty cells."""

    def __init__(self, rows: Sequence[SheetRow], *, columns: int, size: tuple[int, int]) -> None:
        """Draw the rows; `size` is (width, height) of the pictures, whose shape decides that of the cells."""
        self._cell = (CELL_WIDTH, max(1, round(size[1] * CELL_WIDTH / size[0])))
        self._row_height = self._cell[1] + CAPTION_HEIGHT + GAP
        width = LABEL_WIDTH + columns * (CELL_WIDTH + GAP) + GAP
        self.canvas = Image.new("RGB", (width, len(rows) * self._row_height + GAP), _BACKGROUND)
        draw = ImageDraw.Draw(self.canvas)
        for number, row in enumerate(rows):
            top = self._top(number)
            _draw_text(draw, row, top=top, caption_top=top + self._cell[1] + 4)
            for left in self._lefts(0 if row.pictures else columns):
                draw.rectangle((left, top, left + CELL_WIDTH - 1, top + self._cell[1] - 1), fill=_EMPTY)
            self.fill(number, row.pictures)

    def fill(self, number: int, pictures: Sequence[Picture]) -> None:
        """Draw the pictures of a row."""
        for left, picture in zip(self._lefts(len(pictures)), pictures, strict=True):
            fitted = Image.fromarray(picture).resize(self._cell, Image.Resampling.LANCZOS)
            self.canvas.paste(fitted, (left, self._top(number)))

    def _top(self, number: int) -> int:
        return GAP + number * self._row_height

    @staticmethod
    def _lefts(columns: int) -> list[int]:
        return [LABEL_WIDTH + column * (CELL_WIDTH + GAP) for column in range(columns)]


def encode_sheet(canvas: Image.Image, suffix: str) -> bytes:
    """Return the sheet as a PNG or JPEG file, by the suffix of its name."""
    out = io.BytesIO()
    if suffix.lower() == ".png":
        canvas.save(out, "PNG", compress_level=6)
    else:
        canvas.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _draw_text(draw: ImageDraw.ImageDraw, row: SheetRow, *, top: int, caption_top: int) -> None:
    y = top
    for number, line in enumerate(row.label):
        font_size = TITLE_SIZE if number == 0 else TEXT_SIZE
        font = ImageFont.load_default(font_size)
        draw.text((GAP, y), _shortened(draw, line, font, LABEL_WIDTH - 2 * GAP), _TEXT if number else _TITLE, font)
        y += round(font_size * 1.4)
    font = ImageFont.load_default(TEXT_SIZE)
    caption = _shortened(draw, row.caption, font, draw.im.size[0] - LABEL_WIDTH - GAP)
    draw.text((LABEL_WIDTH, caption_top), caption, _TEXT, font)


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
