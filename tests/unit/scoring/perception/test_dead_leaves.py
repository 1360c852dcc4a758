"""Dead leaves pictures are deterministic and differ from one another."""

import random

import numpy as np

from scoring.perception.dead_leaves import dead_leaves


def test_pictures_are_deterministic_and_differ():
    first, again, other = (dead_leaves(64, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape == (64, 64, 3)
    assert np.abs(first.astype(int) - other).mean() > 10
