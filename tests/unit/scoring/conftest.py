"""Fixtures of the scoring tests: the weights, converted once per session, the any-painting scorer, a random VGG16."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the scoring tests run in the scorer's environment")

import numpy as np
import safetensors.torch
import torch
from hypothesis import settings

from scoring.perception.vgg import CHANNELS, Vgg, load_vgg
from scoring.perception.vgg_file import make_vgg
from scoring.scorers.any_painting.convert import make_weights
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import Pictures, Score
from tests.support.scorer_runs import opened

TORCHVISION_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21)

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


@pytest.fixture(scope="session")
def torchvision_vgg() -> dict[str, torch.Tensor]:
    """Random weights of VGG16 with torchvision's names."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for i, index in enumerate(TORCHVISION_INDICES):
        inputs = (3, *CHANNELS)[i]
        shape = (CHANNELS[i], inputs, 3, 3)
        tensors[f"features.{index}.weight"] = torch.randn(shape, generator=generator) * (2 / (9 * inputs)) ** 0.5
        tensors[f"features.{index}.bias"] = torch.zeros(CHANNELS[i])
    return tensors


@pytest.fixture(scope="session")
def vgg_path(torchvision_vgg: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vgg")
    (folder / "source.safetensors").write_bytes(safetensors.torch.save(torchvision_vgg))
    return make_vgg(str(folder / "source.safetensors"), folder / "vgg16.safetensors")


@pytest.fixture(scope="session")
def vgg(vgg_path: Path) -> Vgg:
    return load_vgg(vgg_path, torch.device("cpu"))
