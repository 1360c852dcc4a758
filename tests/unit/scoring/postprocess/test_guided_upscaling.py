"""Enlarging a painted frame: its edges lie on the edges of the input, without halos, and grain moves nothing."""

import cv2
import numpy as np
import pytest

from scoring.postprocess.guided_upscaling import upscaled
from scoring.postprocess.resize import to_full_size, to_working_size

HEIGHT, WIDTH = 240, 360
RED, GREEN = (170, 70, 60), (60, 125, 60)
"""Painted colors of about the same luma: what correlates with luma does not separate them."""


def disk():
    """Return where a disk is, 0 to 1, (H, W), with a soft edge of one pixel."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.clip(95.3 - np.hypot(rows - 120.4, columns - 170.7), 0, 1)


def mixed(share, inside, outside):
    """Return the picture that has one color inside and another one outside."""
    colors = share[..., None] * inside + (1 - share[..., None]) * outside
    return np.rint(colors).astype(np.uint8)


def error(a, b):
    return np.sqrt(np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("factor", [2, 3, 6])
def test_painted_edge_lies_on_the_edge_of_the_input(factor):
    picture = mixed(disk(), np.full(3, 190), np.full(3, 90))
    ideal = mixed(disk(), np.array(RED), np.array(GREEN))
    small = to_working_size(ideal, (WIDTH // factor, HEIGHT // factor))
    plain = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    assert error(upscaled(small, picture), ideal) < 0.75 * error(plain, ideal)


@pytest.mark.parametrize("factor", [2, 3, 6])
def test_moved_colors_make_no_halo(factor):
    picture = mixed(disk(), np.full(3, 190), np.full(3, 90))
    small = to_working_size(mixed(disk(), np.array(RED), np.array(GREEN)), (WIDTH // factor, HEIGHT // factor))
    plain = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(int)
    full = upscaled(small, picture).astype(int)
    assert (full.min((0, 1)) >= plain.min((0, 1)) - 1).all()
    assert (full.max((0, 1)) <= plain.max((0, 1)) + 1).all()


def test_line_finer_than_a_small_pixel_returns():
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    picture[:, 170] = 20
    small = to_working_size(picture, (WIDTH // 3, HEIGHT // 3))
    line = upscaled(small, picture)[HEIGHT // 2, 160:180, 0].astype(int)
    assert line.argmin() == 10
    assert line.min() < 100  # the enlarged small frame has 140
    assert (line < 170).sum() <= 3


def test_grain_does_not_move_strokes():
    sky = np.random.default_rng(0).normal(150, 3, (HEIGHT, WIDTH, 1)).repeat(3, 2)
    strokes = np.random.default_rng(1).integers(60, 200, (HEIGHT // 3, WIDTH // 3, 3), np.uint8)
    still = upscaled(strokes, np.full((HEIGHT, WIDTH, 3), 150, np.uint8)).astype(float)
    assert error(upscaled(strokes, np.rint(sky).astype(np.uint8)), still) < 2


def test_a_frame_moves_as_a_whole():
    """What is painted on it does not depend on where rows are cut into bands, nor on the border."""
    random = np.random.default_rng(2)
    picture = np.asarray(cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (9, 9), 2), np.uint8)
    small = random.integers(0, 256, (HEIGHT // 3, WIDTH // 3, 3), np.uint8)
    whole = upscaled(small, picture)
    part = upscaled(np.ascontiguousarray(small[20:60]), np.ascontiguousarray(picture[60:180]))
    assert np.abs(part[15:-15].astype(int) - whole[75:165]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1)])
def test_smallest_frames(shape):
    small = np.full((*shape, 3), (10, 100, 200), np.uint8)
    assert (to_full_size(small, np.full((9, 9, 3), 77, np.uint8)) == (10, 100, 200)).all()
