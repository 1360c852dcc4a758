"""The README's pictures and the blind sheets: what is where, and that the key says which result is which."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from benchmarks import crops, showcase
from benchmarks.painted_clips import Footage
from frame_tools.client.comparison import write_animation
from frame_tools.contracts.options import Options
from scoring.types import Picture

CLIP = Footage(
    "clip",
    [np.full((300, 500, 3), 10 * i, np.uint8) for i in range(7)],
    [np.full((30, 50, 3), 10 * i, np.uint8) for i in range(7)],
    Options(),
)
NAMES = ("red", "blue")
PAINTINGS = [Path(f"{name}.png") for name in NAMES]


def painted(name: str, level: int) -> Picture:
    """Stand for a painted frame: the painting's number, and a level."""
    return np.full((300, 500, 3), 100 + 50 * NAMES.index(name) + level, np.uint8)


def test_key_says_which_result_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    before: Any = "before"
    after: Any = "after"
    monkeypatch.setattr(
        crops, "paint_frame", lambda scorer, _clip, path, _index: painted(path.stem, 20 * (scorer == "after"))
    )
    rows, key = crops.blind_rows((before, after), [CLIP] * 6, PAINTINGS, seed=1)
    sides = ["left" if row[1][0, 0, 0] > row[2][0, 0, 0] else "right" for row in rows]
    assert [line.rpartition(" ")[2] for line in key] == sides
    assert set(sides) == {"left", "right"}
    assert key[0].startswith("red on clip: new is ")


def test_crop_is_where_the_edges_are() -> None:
    picture = np.full((700, 900, 3), 90, np.uint8)
    picture[500:600:2, 700:800] = 255
    rows, columns = crops.liveliest(picture)
    assert (rows.stop - rows.start, columns.stop - columns.start) == crops.CROP[::-1]
    assert rows.start <= 500 < 600 <= rows.stop
    assert columns.start <= 700 < 800 <= columns.stop


def test_small_picture_is_not_cropped() -> None:
    assert crops.liveliest(np.zeros((30, 50, 3), np.uint8)) == (slice(0, 30), slice(0, 50))


def test_loop_has_every_third_frame_and_all_paintings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        showcase, "paint_clip", lambda _scorer, _clip, path, count: (painted(path.stem, i) for i in range(count))
    )
    scorer: Any = None
    images = list(showcase.loop(scorer, CLIP, PAINTINGS, count=7))
    width, height = showcase.LOOP_CELL
    assert [image.size for image in images] == [(3 * width, height)] * 3
    centers = [[np.asarray(image)[height // 2, width // 2 + i * width, 0] for i in range(3)] for image in images]
    assert centers == [[0, 100, 150], [30, 103, 153], [60, 106, 156]]
    write_animation(images, tmp_path / "loop.webp", milliseconds=100)
    with Image.open(tmp_path / "loop.webp") as animation:
        assert len(list(ImageSequence.Iterator(animation))) == 3
        assert animation.info["loop"] == 0


def test_painting_is_in_the_corner() -> None:
    inset = np.full((84, 112, 3), 7, np.uint8)
    picture = showcase.with_inset(np.full((225, 400, 3), 50, np.uint8), inset)
    assert (picture[:130] == 50).all()
    assert (picture[-84 - 3 : -3, 3 : 112 + 3] == 7).all()
    assert (picture[-1, : 112 + 6] == 255).all()
