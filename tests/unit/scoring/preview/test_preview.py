"""A preview: its rows are painted as a run would paint them, and its sheet has all of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from frame_tools.contracts.errors import InputError, MissingError
from frame_tools.contracts.options import Options
from frame_tools.contracts.preview import PreviewRequest, PreviewRow, PreviewStyle
from scoring.preview.command import paint_preview
from scoring.preview.looks import LookPainter
from scoring.preview.sheet import CELL_WIDTH, LABEL_WIDTH, SheetRow, draw_sheet
from tests.support.clips import Clip, make_clip

SIZE = (96, 64)
EMPTY_CELL = (238, 238, 238)


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    path = tmp_path / "painting.png"
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def frames(noise):
    return list(noise(2, SIZE[1], SIZE[0], 3))


def row(painting: Path, **options: object) -> PreviewRow:
    return PreviewRow(
        options=Options.model_validate(options),
        styles=(PreviewStyle(path=painting, weight=1.0),),
        label=("1  painting", "strokes"),
        caption="impasto paint",
    )


def test_rows_that_differ_in_strength_are_painted_once(painting, frames, weights) -> None:
    painter = LookPainter(frames, SIZE, weights)
    full = painter.paint(row(painting, strokes=10))
    weak = painter.paint(row(painting, strokes=10, strength=0.5))
    assert (full.seconds > 0, weak.seconds) == (True, 0)
    blended = (full.pictures[0].astype(float) + frames[0]) / 2
    assert np.abs(weak.pictures[0] - blended).max() <= 1


def test_stroke_size_changes_the_painting(painting, frames, weights) -> None:
    painter = LookPainter(frames, SIZE, weights)
    broad, fine = (painter.paint(row(painting, strokes=strokes)) for strokes in (10, 5))
    assert broad.pictures[0].shape == fine.pictures[0].shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(broad.pictures[0].astype(int) - fine.pictures[0]).mean() > 5


def test_other_scorers_have_no_preview(painting, frames, weights) -> None:
    with pytest.raises(InputError, match="describe"):
        LookPainter(frames, SIZE, weights).paint(row(painting, scorer="describe"))


def test_missing_style_is_named(tmp_path, frames, weights) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.jpg"):
        LookPainter(frames, SIZE, weights).paint(row(tmp_path / "nowhere.jpg", strokes=10))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_sheet_is_written(tmp_path, painting, weights, suffix) -> None:
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=6, size=SIZE))
    out = tmp_path / f"sheet{suffix}"
    rows = (row(painting, strokes=10), row(painting, strokes=10, strength=0.0))
    seen: list[int] = []
    result = paint_preview(PreviewRequest(video=video, frames=2, rows=rows, out=out), weights, seen.append)
    assert (len(result.row_seconds), seen) == (2, [1, 2])
    with Image.open(out) as image:
        assert image.format == {".png": "PNG", ".jpg": "JPEG"}[suffix]
        assert image.width > LABEL_WIDTH + 2 * CELL_WIDTH
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_sheet_exists_before_the_second_painting(tmp_path, painting, weights) -> None:
    video = make_clip(tmp_path / "clip.mp4", Clip(frames=6, size=SIZE))
    out = tmp_path / "sheet.png"
    rows = [row(painting, strokes=strokes, strength=strength) for strokes in (10, 5) for strength in (1.0, 0.5)]
    sheets: list[tuple[int, list[bool]]] = []

    def look(done: int) -> None:
        with Image.open(out) as image:
            height = (image.height - 10) // 5
            cells = [image.getpixel((LABEL_WIDTH + 50, 30 + number * height)) for number in range(5)]
        sheets.append((done, [cell != EMPTY_CELL for cell in cells]))

    paint_preview(PreviewRequest(video=video, frames=2, rows=tuple(rows), out=out), weights, look)
    assert sheets == [
        (1, [True, True, False, False, False]),
        (2, [True, True, True, False, False]),
        (4, [True, True, True, True, True]),
    ]


def test_sheet_shows_every_picture_in_its_cell() -> None:
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    pictures = [np.full((20, 40, 3), color, np.uint8) for color in colors]
    canvas = draw_sheet(
        [SheetRow(pictures=pictures[:2], label=("clip",)), SheetRow(pictures=pictures[2:], label=("1", "x" * 200))]
    )
    row_height = (canvas.height - 10) // 2
    centers = [(LABEL_WIDTH + CELL_WIDTH // 2, 60), (LABEL_WIDTH + CELL_WIDTH * 3 // 2 + 10, 60)]
    seen = [canvas.getpixel((x, y + number * row_height)) for number in range(2) for x, y in centers]
    assert seen == colors
