"""Dead leaves pictures are deterministic and differ from one another."""

import random

import numpy as np

from scoring.perception.dead_leaves import _shading, dead_leaves


def test_pictures_are_deterministic_and_differ():
    first, again, other = (dead_leaves(64, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape == (64, 64, 3)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_a_part_of_a_leaf_is_shaded_as_in_the_whole_picture():
    rows, columns, whole = slice(3, 20), slice(10, 64), slice(0, 64)
    for seed in range(10):  # some with grain, some without
        part = _shading(64, rows, columns, random.Random(seed), np.random.default_rng(seed))
        everything = _shading(64, whole, whole, random.Random(seed), np.random.default_rng(seed))
        assert np.array_equal(part, everything[rows, columns])
