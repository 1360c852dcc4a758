"""Fixtures of the scoring tests: the weights, converted once per session, and the any-painting scorer."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the scoring tests run in the scorer's environment")

import numpy as np
from hypothesis import settings

from scoring.scorers.any_painting.convert import make_weights
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import Pictures, Score
from tests.support.scorer_runs import opened

settings.register_profile("scoring", max_examples=15)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Give property tests below this folder fewer examples; tests elsewhere keep the session's profile."""
    session_profile = settings.get_current_profile_name()
    if session_profile == "impasto":
        settings.load_profile("scoring")
    try:
        return (yield)
    finally:
        settings.load_profile(session_profile)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    make_weights(folder)
    return folder


@pytest.fixture(scope="session")
def scorer(weights: Path) -> AnyPainting:
    return AnyPainting.load(weights)


@pytest.fixture(scope="session")
def score(scorer: AnyPainting) -> Score:
    return opened(scorer)


@pytest.fixture
def noise() -> Callable[..., Pictures]:
    """Return a function that draws uint8 noise of a shape."""

    def draw(*shape: int, seed: int = 0) -> Pictures:
        return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)

    return draw
