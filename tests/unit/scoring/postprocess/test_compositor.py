"""Compositing: exact at its limits, free when off, in the documented order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frame_tools.contracts.errors import InternalError
from frame_tools.contracts.options import Options
from scoring.postprocess.blend import with_mask, with_strength
from scoring.postprocess.color import keep_luma, match_statistics
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_full_size

shapes = st.tuples(st.integers(1, 30), st.integers(1, 30))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_default_options_return_the_scored_frame():
    picture, scored = noise(20, 30, 3), noise(20, 30, 3, seed=1)
    assert Compositor(Options())(picture, scored) is scored


@pytest.mark.parametrize("more", [{}, {"preserve_color": "luma"}, {"preserve_color": "statistics"}, {"size": 16}])
def test_strength_0_returns_the_input(more):
    picture, scored = noise(20, 30, 3), noise(16, 24, 3, seed=1)
    compositor = Compositor(Options(strength=0, **more))
    assert np.array_equal(compositor(picture, scored, noise(20, 30, seed=2)), picture)


@given(shapes, st.sampled_from(["no", "luma", "statistics"]))
def test_black_and_white_masks_are_exact(shape, preserve_color):
    picture, scored = noise(*shape, 3), noise(*shape, 3, seed=1)
    compositor = Compositor(Options(preserve_color=preserve_color))
    assert np.array_equal(compositor(picture, scored, np.zeros(shape, np.uint8)), picture)
    assert np.array_equal(compositor(picture, scored, np.full(shape, 255, np.uint8)), compositor(picture, scored))


@given(shapes, st.integers(0, 2**31))
def test_gray_mask_blends(shape, seed):
    picture, painted, mask = noise(*shape, 3, seed=seed), noise(*shape, 3, seed=seed + 1), noise(*shape, seed=seed + 2)
    share = mask[..., None] / 255
    exact = painted * share + picture * (1 - share)
    assert np.abs(with_mask(painted, picture, mask) - exact).max() <= 0.5 + 1e-9


def test_mask_blend_rounds_to_nearest():
    mask, painted = (axis.astype(np.uint8) for axis in np.mgrid[0:256, 0:256])
    for level in (0, 1, 127, 128, 200, 254, 255):
        picture = np.full((256, 256, 3), level, np.uint8)
        blended = with_mask(np.dstack([painted] * 3), picture, mask)[..., 0]
        exact = (painted.astype(int) * mask + level * (255 - mask.astype(int))) / 255
        assert np.abs(blended - exact).max() <= 0.5 + 1e-9


@given(shapes, st.floats(0, 1))
def test_strength_blends_linearly(shape, strength):
    picture, painted = noise(*shape, 3), noise(*shape, 3, seed=1)
    exact = painted * strength + picture * (1 - strength)
    assert np.abs(with_strength(painted, picture, strength) - exact).max() <= 0.51


def test_strength_0_and_1_do_not_copy():
    picture, painted = noise(4, 5, 3), noise(4, 5, 3, seed=1)
    assert with_strength(painted, picture, 1) is painted
    assert with_strength(painted, picture, 0) is picture


def test_steps_run_in_order():
    picture, scored, mask = noise(40, 60, 3), noise(20, 30, 3, seed=1), noise(40, 60, seed=2)
    for name, color in (("luma", keep_luma), ("statistics", match_statistics)):
        composited = Compositor(Options(preserve_color=name, strength=0.5))(picture, scored, mask)
        by_hand = with_mask(color(to_full_size(scored, picture), picture), picture, mask)
        assert np.array_equal(composited, with_strength(by_hand, picture, 0.5))


@pytest.mark.parametrize("more", [{}, {"preserve_color": "luma"}, {"preserve_color": "statistics"}])
def test_inputs_are_not_modified(more):
    picture, scored, mask = noise(20, 30, 3), noise(20, 30, 3, seed=1), noise(20, 30, seed=2)
    before = [array.copy() for array in (picture, scored, mask)]
    Compositor(Options(strength=0.5, **more))(picture, scored, mask)
    Compositor(Options(strength=0.5, **more))(picture, scored[::2, ::2].copy(), mask)
    assert all(np.array_equal(a, b) for a, b in zip(before, (picture, scored, mask), strict=True))


def test_mask_of_wrong_size_is_an_internal_error():
    with pytest.raises(InternalError, match="mask"):
        Compositor(Options())(noise(20, 30, 3), noise(20, 30, 3), noise(30, 20))
