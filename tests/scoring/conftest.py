"""What the scorer's tests share: the weights, made once from the installed package, and the scorer, loaded once."""

import pytest

pytest.importorskip("torch", reason="the scorer's tests run in the scorer's environment")

import numpy as np
from hypothesis import settings

from scoring.scorers.any_painting.convert import make_weights
from scoring.scorers.any_painting.scorer import AnyPainting
from tests.support.scorer_runs import opened

settings.register_profile("scoring", deadline=None, max_examples=15)
settings.load_profile("scoring")


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    make_weights(folder)
    return folder


@pytest.fixture(scope="session")
def scorer(weights):
    return AnyPainting.load(weights)


@pytest.fixture(scope="session")
def score(scorer):
    return opened(scorer)


@pytest.fixture
def noise():
    def make(*shape, seed=0):
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return make
