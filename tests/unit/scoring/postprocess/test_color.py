"""Color preservation: the chroma of the input as far as it is in gamut, or its mean and covariance."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.postprocess.color import MAX_GAIN, color_statistics, keep_luma, match_statistics

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def noise(shape, seed, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (*shape, 3), np.uint8)


def luma(picture):
    return picture @ np.array([0.299, 0.587, 0.114])


def smooth(seed, mean, spread, shape=(90, 120)):
    """Return a picture of soft blobs with about this mean and spread of colors."""
    random = np.random.default_rng(seed)
    blobs = cv2.GaussianBlur(random.normal(0, 1, (*shape, 3)), (0, 0), 2)
    axes = np.linalg.qr(random.normal(0, 1, (3, 3)))[0]
    colors = blobs / blobs.std() * spread @ axes + mean
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8)


@given(shapes, st.integers(0, 2**31))
def test_keep_luma_keeps_luma_of_the_painting(shape, seed):
    painted, picture = noise(shape, seed), noise(shape, seed + 1)
    assert np.abs(luma(keep_luma(painted, picture)) - luma(painted)).max() <= 0.51


@given(shapes, st.integers(0, 2**31))
def test_keep_luma_restores_chroma_in_gamut(shape, seed):
    painted, picture = noise(shape, seed), noise(shape, seed + 1, 90, 160)
    expected = picture - luma(picture)[..., None]
    shown = luma(painted)[..., None] + expected
    fits = ((shown >= 0) & (shown <= 255)).all(axis=2)
    result = keep_luma(painted, picture)
    chroma = result - luma(result)[..., None]
    assert np.abs(chroma - expected)[fits].max(initial=0) <= 1.01
    codes = [cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(int) for x in (result, picture)]
    assert np.abs(codes[0] - codes[1])[fits].max(initial=0) <= 2


@given(shapes, st.integers(0, 2**31))
def test_keep_luma_reduces_chroma_out_of_gamut(shape, seed):
    painted, picture = noise(shape, seed), noise(shape, seed + 1)
    expected = (picture - luma(picture)[..., None]).reshape(-1, 3)
    result = keep_luma(painted, picture)
    chroma = (result - luma(result)[..., None]).reshape(-1, 3)
    share = (chroma * expected).sum(axis=1) / np.maximum((expected**2).sum(axis=1), 1)
    assert share.min() >= -0.1
    assert (np.abs(chroma - share[:, None] * expected)).max() <= 1.5
    assert np.linalg.norm(chroma, axis=1).max(initial=0) <= np.linalg.norm(expected, axis=1).max() + 1.5


def test_keep_luma_makes_blue_brighter():
    blue = np.full((4, 4, 3), (0, 0, 255), np.uint8)
    bright = np.full((4, 4, 3), 200, np.uint8)
    red, green, shown = keep_luma(bright, blue)[0, 0]
    assert shown == 255
    assert red == green < 200


@pytest.mark.parametrize("level", [0, 255])
def test_keep_luma_keeps_black_and_white(level):
    painted = np.full((5, 7, 3), level, np.uint8)
    assert (keep_luma(painted, noise((5, 7), 3)) == level).all()


def test_identical_pictures_are_unchanged():
    picture = noise((300, 200), 5)
    assert np.array_equal(keep_luma(picture, picture), picture)
    assert np.abs(match_statistics(picture, picture).astype(int) - picture).max() <= 1


@given(st.integers(0, 2**31))
def test_color_statistics_match_numpy(seed):
    picture = noise((31, 47), seed)
    colors = picture.reshape(-1, 3).astype(float)
    mean, spread = color_statistics(picture)
    assert np.allclose(mean, colors.mean(axis=0))
    assert np.allclose(spread, np.cov(colors.T, bias=True))


@given(st.integers(0, 2**31))
def test_match_statistics_matches_mean_and_covariance(seed):
    picture = smooth(seed, mean=(150, 120, 100), spread=(6, 10, 20))
    painted = smooth(seed + 1, mean=(90, 110, 160), spread=(6, 10, 20))
    mean, spread = color_statistics(picture)
    matched_mean, matched_spread = color_statistics(match_statistics(painted, picture))
    assert np.abs(matched_mean - mean).max() < 2
    deviations, matched = np.sqrt(np.diag(spread)), np.sqrt(np.diag(matched_spread))
    assert np.abs(matched / deviations - 1).max() < 0.1
    assert np.abs(matched_spread / np.outer(matched, matched) - spread / np.outer(deviations, deviations)).max() < 0.1


def test_match_statistics_limits_gain():
    picture = noise((60, 80), 1)
    painted = noise((60, 80), 2, 127, 130)
    matched = match_statistics(painted, picture)
    assert (matched.std(axis=(0, 1)) <= MAX_GAIN * painted.std(axis=(0, 1)) + 0.5).all()
    assert np.abs(matched.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 1


@given(shapes, st.integers(0, 2**31))
def test_match_statistics_accepts_any_shape(shape, seed):
    assert match_statistics(noise(shape, seed), noise(shape, seed + 1)).shape == (*shape, 3)


@given(st.integers(0, 59), st.integers(0, 79))
def test_match_statistics_is_translation_invariant(down, right):
    painted, picture = noise((60, 80), 1), noise((60, 80), 2, 50, 200)
    moved = match_statistics(np.roll(painted, (down, right), (0, 1)), np.roll(picture, (right, down), (0, 1)))
    assert np.array_equal(moved, np.roll(match_statistics(painted, picture), (down, right), (0, 1)))


def test_match_statistics_keeps_hues():
    # Two pictures that differ by a change of brightness and contrast: hues must not turn.
    painted = smooth(4, mean=(120, 120, 120), spread=(8, 8, 12))
    picture = np.clip(painted.astype(int) * 3 // 2 - 50, 0, 255).astype(np.uint8)
    assert np.abs(match_statistics(painted, picture).astype(int) - picture).mean() < 1
