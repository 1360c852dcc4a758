"""Parts of a painting: all of it, in pieces of the shape that a network was trained on."""

import numpy as np
import pytest

from scoring.scorers.painting_parts import MAX_PARTS, covering_parts


def numbered(height, width):
    """Return a picture whose pixels all differ."""
    return np.arange(height * width * 3, dtype=np.uint32).reshape(height, width, 3).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 41), (30, 40), (90, 20), (7, 50), (1, 1), (1, 20)])
@pytest.mark.parametrize("aspect", [1, 2])
def test_parts_cover_the_painting(height, width, aspect):
    picture = np.zeros((height, width, 3), np.uint8)
    rows, columns = np.mgrid[0:height, 0:width]
    picture[..., 0], picture[..., 1] = rows, columns
    parts = covering_parts(picture, aspect)
    shorter = min(height, width)
    assert all(sorted(part.shape[:2]) == [shorter, min(max(height, width), aspect * shorter)] for part in parts)
    seen = {tuple(pixel) for part in parts for pixel in part.reshape(-1, 3).tolist()}
    assert len(seen) == height * width
    assert len(parts) == -(-max(height, width) // (aspect * shorter))


def test_square_is_one_part():
    picture = numbered(12, 12)
    (part,) = covering_parts(picture)
    assert np.array_equal(part, picture)


def test_very_long_painting_has_few_parts_from_end_to_end():
    picture = numbered(2, 3000)
    parts = covering_parts(picture)
    assert len(parts) == MAX_PARTS
    assert np.array_equal(parts[0], picture[:, :2])
    assert np.array_equal(parts[-1], picture[:, -2:])
