"""Resizing to the size of the scorer, and back to full size without halos."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.postprocess.resize import to_full_size, to_working_size
from scoring.postprocess.row_bands import row_bands

sides = st.integers(1, 33)
sizes = st.tuples(sides, sides)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def texture(height, width):
    """Return rings of light and dark that grow finer outwards; the outermost are eight pixels apart."""
    rows, columns = np.mgrid[0:height, 0:width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    wave = 90 * np.sign(np.sin(distance**2 * np.pi / (4 * max(width, height))))
    return np.stack([128 + wave, 110 + wave, 150 + wave], axis=2).astype(np.uint8)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def test_equal_size_does_not_copy():
    picture = noise(20, 30)
    assert to_working_size(picture, (30, 20)) is picture
    assert to_full_size(picture, noise(20, 30, seed=1)) is picture


@given(sizes, sizes)
def test_any_size_resizes_to_any_other(frame, working):
    picture = noise(*frame)
    small = to_working_size(picture, working)
    assert small.shape == (working[1], working[0], 3)
    full = to_full_size(small, picture)
    assert full.shape == picture.shape
    assert full.dtype == np.uint8


@given(sizes, sizes, st.tuples(*[st.integers(0, 255)] * 3))
def test_flat_color_is_unchanged(frame, working, color):
    scored = np.full((working[1], working[0], 3), color, np.uint8)
    flat = np.full((*frame, 3), (9, 90, 200), np.uint8)
    assert (to_full_size(scored, flat) == color).all()


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_upscaling_restores_input_detail(factor):
    picture = texture(240, 360)
    small = to_working_size(picture, (360 // factor, 240 // factor))
    plain = cv2.resize(small, (360, 240), interpolation=cv2.INTER_CUBIC)
    assert psnr(to_full_size(small, picture), picture) > psnr(plain, picture) + 3


def test_upscaling_inverts_detail_of_a_negative():
    picture = texture(240, 360)
    small = 255 - to_working_size(picture, (120, 80))
    plain = cv2.resize(small, (360, 240), interpolation=cv2.INTER_CUBIC)
    assert psnr(to_full_size(small, picture), 255 - picture) > psnr(plain, 255 - picture) + 3


def test_upscaling_does_not_restore_grain():
    random = np.random.default_rng(1)
    sky = np.clip(random.normal(150, 4, (240, 360, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    strokes = noise(80, 120) // 3 + 80
    with_sky = to_full_size(strokes, sky).astype(float)
    added = with_sky - to_full_size(strokes, np.full_like(sky, 150))
    assert added.std() < 0.15 * sky.std()


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_upscaling_sharpens_without_halos(factor):
    small = np.full((30, 40, 3), 60, np.uint8)
    small[:, 20:] = 180
    picture = np.full((30 * factor, 40 * factor, 3), 100, np.uint8)
    full = to_full_size(small, picture)[15 * factor, :, 0].astype(int)
    plain = cv2.resize(small, (40 * factor, 30 * factor), interpolation=cv2.INTER_CUBIC)[15 * factor, :, 0].astype(int)
    assert np.diff(full).max() > 1.15 * np.diff(plain).max()
    assert full.min() >= plain.min()
    assert full.max() <= plain.max()


def test_downscaling_averages():
    large = noise(40, 60)
    small = to_full_size(large, noise(20, 30))
    assert np.abs(small - large.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3))).max() <= 0.5


@given(st.integers(1, 200), st.integers(1, 100_000))
def test_row_bands_cover_each_row_once(height, width):
    rows = [row for strip in row_bands(height, width) for row in range(strip.start, strip.stop)]
    assert rows == list(range(height))
