"""Disturbances spoil a picture a little, and depend on the random generator alone."""

import random

import numpy as np
import pytest

from scoring.perception.dead_leaves import dead_leaves
from scoring.training import disturbances


def photo(side=64):
    return dead_leaves(side, random.Random(3))


@pytest.mark.parametrize("apply", dict.fromkeys(disturbances.DISTURBANCES), ids=lambda f: f.__name__)
def test_each_changes_the_picture_a_little_and_repeatably(apply):
    picture = photo()
    spoiled = apply(picture, random.Random(1))
    assert spoiled.shape == picture.shape
    assert spoiled.dtype == np.uint8
    difference = np.abs(spoiled.astype(int) - picture)
    assert 0.2 < difference.mean() < 12
    assert np.array_equal(spoiled, apply(picture, random.Random(1)))


def test_channels_keep_their_order():
    red = np.zeros((32, 32, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
    for apply in disturbances.DISTURBANCES:
        assert np.abs(apply(red, random.Random(0)).mean((0, 1)) - (200, 40, 90)).max() < 6, apply


@pytest.mark.parametrize("seed", range(20))
def test_gradients_are_smooth(seed):
    picture = disturbances.gradient(96, random.Random(seed)).astype(int)
    assert picture.shape == (96, 96, 3)
    assert max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1)) < 12
